# shellcheck shell=bash disable=SC2154
# scripts/bench webhooks

cargo build --release --quiet -p tests --example webhooks
load=$(realpath "${CARGO_TARGET_DIR:-target}/release/examples/webhooks")
concurrency=64 named=1000
export WEBHOOK_ALLOW_CIDRS=127.0.0.1/32

# Receivers on this machine: one that verifies with the official library, one that is as slow as a remote one, and
# one that does nothing at all.
secret=$(openssl rand -base64 32)
key=$(printf %s "$secret" | base64 -d | od -An -tx1 | tr -d ' \n')
secret=whsec_$secret
SECRET=$secret NODE_PATH=${LOADIFY_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/loadify}/npm/node_modules \
    node tests/load/receiver.cjs >"$dir/receiver.verifying" & receivers=$!
"$load" receiver 10 >"$dir/receiver.slow" & receivers+=" $!"
"$load" receiver 0 >"$dir/receiver.empty" & receivers+=" $!"
for kind in verifying slow empty; do until [ -s "$dir/receiver.$kind" ]; do sleep 0.1; done; done
{ echo 'sku,name,description'; for n in $(seq "$named"); do echo "sku-$n,Product number $n,About as much as there is to say of a product on a page"; done; } >"$dir/products.csv"

# webhooks N KIND: creates N webhooks to that receiver
webhooks() {
    hook=http://127.0.0.1:$(cat "$dir/receiver.$2")
    sql loadify_side -c 'SET client_min_messages = error' -c 'TRUNCATE webhooks, webhook_events CASCADE'
    for n in $(seq "$1"); do
        curl -sS --fail -H 'Content-Type: application/json' -d "{\"url\":\"$hook/$n\",\"events\":[\"product.updated\"]}" "$url/api/v1/webhooks" >/dev/null
    done
    sql loadify_side -c "UPDATE webhooks SET secret = '$secret'"
}

# plain COUNT BODY: sends the same requests in a plain loop; prints requests per second
plain() {
    local now signature
    now=$(date +%s)
    signature=v1,$(printf %s "msg_bench.$now.$2" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64)
    "$load" loop "$hook/1" "$1" "$concurrency" "$now" "$signature" "$2"
}

waiting() { sql loadify_side -c "SELECT count(*) FROM webhook_deliveries WHERE status <> 'delivered'"; }
quiet() { until [ "$(waiting)" = 0 ]; do sleep 0.1; done; }

# bulk ACTION: one bulk request that changes all products
bulk() {
    curl -sS --fail -H 'Content-Type: application/json' -d "{\"action\":\"$1\",\"ids\":[$(seq -s , "$first" $((first + named - 1)))]}" "$url/api/v1/products/bulk" >/dev/null
}

for round in $(seq "$rounds"); do
    fresh loadify_side
    start_loadify
    # shellcheck disable=SC2206
    pids+=($receivers)
    end_of "$(upload "$dir/products.csv")"
    indexed
    first=$(sql loadify_side -c 'SELECT min(id) FROM products')
    # Fifty changes a second, which are five hundred deliveries with ten webhooks.
    for many in 0 10; do
        webhooks $many slow
        "$load" patch "$url" "$first" 100 50 >/dev/null
        "$load" patch "$url" "$first" 1000 50 >"$dir/patch"
        percentile "$dir/patch" 95 >>"$dir/patch.$many"
        quiet
    done

    # Sixteen webhooks with four requests each at the same time; all deliveries are due when the worker starts.
    for kind in verifying slow empty; do
        webhooks 16 $kind
        kill "$worker"; wait "$worker" || true
        bulk deactivate
        bulk activate
        sql loadify_side -c 'ANALYZE webhook_deliveries, webhook_events' -c CHECKPOINT
        body=$(sql loadify_side -c 'SELECT payload FROM webhook_events LIMIT 1')
        count=$(waiting)
        RUST_LOG=info "$loadify" work 2>"$dir/work.log" & worker=$!
        pids[1]=$worker
        quiet
        sql loadify_side -c "SELECT count(*) / extract(epoch FROM max(at + duration_us * interval '1 microsecond') - min(at)) FROM webhook_attempts" >>"$dir/loadify.$kind"
        plain "$count" "$body" >>"$dir/plain.$kind"
        say "round $round, $kind receiver: $count deliveries, $(tail -n 1 "$dir/loadify.$kind") a second, plain loop $(tail -n 1 "$dir/plain.$kind")"
    done
    say "round $round: PATCH p95 $(tail -n 1 "$dir/patch.0") ms, with 10 webhooks $(tail -n 1 "$dir/patch.10") ms"
    pids=("${pids[@]:0:2}")
    stop_loadify
done
# shellcheck disable=SC2086
kill $receivers

# rate KIND: JSON
rate() {
    awk -v l="$(median "$dir/loadify.$1")" -v p="$(median "$dir/plain.$1")" 'BEGIN {printf "{\"loadify_per_s\":%.0f,\"plain_per_s\":%.0f,\"ratio\":%.2f}", l, p, l / p}'
}
patch=$(awk -v none="$(median "$dir/patch.0")" -v ten="$(median "$dir/patch.10")" 'BEGIN {printf "{\"0\":%.2f,\"10\":%.2f,\"ratio\":%.2f}", none, ten, ten / none}')
printf '{"concurrency":%d,"verifying_receiver":%s,"slow_receiver":%s,"empty_receiver":%s,"patch_p95_ms":%s}\n' \
    "$concurrency" "$(rate verifying)" "$(rate slow)" "$(rate empty)" "$patch"
