# shellcheck shell=bash disable=SC2154
# scripts/bench import

# psql_import FILE: prints seconds
psql_import() {
    sql postgres -c CHECKPOINT
    local start end
    start=$(date +%s.%N)
    sql psql_side >/dev/null <<SQL
BEGIN;
CREATE TEMPORARY TABLE staging (name text, sku text, description text) ON COMMIT DROP;
\copy staging FROM '$1' WITH (FORMAT csv, HEADER)
INSERT INTO products AS p (sku_key, sku, name, description)
SELECT DISTINCT ON (lower(sku)) lower(sku), sku, name, description FROM staging ORDER BY lower(sku), ctid DESC
ON CONFLICT (sku_key) DO UPDATE
SET sku = excluded.sku, name = excluded.name, description = excluded.description, updated_at = now()
WHERE (p.sku, p.name, p.description) IS DISTINCT FROM (excluded.sku, excluded.name, excluded.description);
COMMIT;
SQL
    end=$(date +%s.%N)
    echo "$end - $start" | bc
}

# loadify_import FILE: prints seconds from queued to completed
loadify_import() {
    sql postgres -c CHECKPOINT
    local id
    id=$(upload "$1")
    end_of "$id"
    sql loadify_side -c "SELECT extract(epoch FROM finished_at - created_at) FROM imports WHERE id = $id"
}

peak=0
for round in $(seq "$rounds"); do
    fresh psql_side
    fresh loadify_side
    start_loadify
    for case in empty:first changed:changed unchanged:changed; do
        name=${case%%:*} file=$dir/${case#*:}.csv
        psql_import "$file" >>"$dir/psql.$name"
        loadify_import "$file" >>"$dir/loadify.$name"
        start=$(date +%s.%N)
        indexed
        echo "$(date +%s.%N) - $start" | bc >>"$dir/indexed.$name"
        say "round $round, $name: psql $(tail -n 1 "$dir/psql.$name") s, Loadify $(tail -n 1 "$dir/loadify.$name") s, indexed after $(tail -n 1 "$dir/indexed.$name") s"
    done
    same='SELECT md5(string_agg(md5(row(sku_key, sku, name, description)::text), NULL ORDER BY sku_key)) FROM products'
    [ "$(sql psql_side -c "$same")" = "$(sql loadify_side -c "$same")" ] || { say "the two catalogues differ"; exit 1; }
    rss=$(awk '/VmHWM/ {print $2}' "/proc/$worker/status")
    [ "$rss" -le "$peak" ] || peak=$rss
    stop_loadify
done

json=
for name in empty changed unchanged; do
    psql_s=$(median "$dir/psql.$name") loadify_s=$(median "$dir/loadify.$name") indexed_s=$(median "$dir/indexed.$name")
    json+=$(awk -v n="$name" -v p="$psql_s" -v l="$loadify_s" -v s="$indexed_s" 'BEGIN {printf "\"%s\":{\"psql_s\":%.2f,\"loadify_s\":%.2f,\"ratio\":%.2f,\"indexed_after_s\":%.2f},", n, p, l, l / p, s}')
done
printf '{"rows":%d,"cases":{%s},"peak_rss_mb":%d}\n' "$rows" "${json%,}" "$((peak / 1024))"
