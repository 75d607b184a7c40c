# shellcheck shell=bash disable=SC2154,SC2046,SC2086
# scripts/bench search

fresh loadify_side
start_loadify
end_of "$(upload "$dir/first.csv")"
indexed
# A word that few products have, and a fresh one that no worker has indexed yet.
{ echo 'sku,name,description'; for n in $(seq 12); do echo "rare-$n,zyzzyva $n,a quokka$n among others"; done; } >"$dir/rare.csv"
end_of "$(upload "$dir/rare.csv")"
indexed
sql loadify_side -c 'UPDATE products SET active = false WHERE id % 1000 = 1'

# Page 1,000 by its cursor: after 999 pages of 50.
cursor=
for _ in 1 2 3 4 5; do
    # As far as a large page reaches; the last steps in pages of 50 would lead to the same place.
    for _ in $(seq 50); do
        page=$(curl -sS "$url/api/v1/products?limit=200${cursor:+&cursor=$cursor}" | grep -o '"next":"[^"]*"' | cut -d '"' -f 4)
        cursor=${page:-$cursor}
    done
done
words=$(sql loadify_side -c "SELECT word FROM (SELECT DISTINCT lower(word) AS word FROM products, regexp_split_to_table(description, '[^A-Za-z]+') AS word WHERE id < 3000) AS words WHERE length(word) >= 3 ORDER BY md5(word) LIMIT 40")
skus=$(sql loadify_side -c "SELECT substr(sku, 3, 9) FROM products WHERE length(sku) > 14 ORDER BY md5(sku) LIMIT 40")
middle=$(sql loadify_side -c "SELECT to_char((SELECT created_at FROM products ORDER BY id OFFSET $((rows / 2)) LIMIT 1) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")

# queries CLASS: one query string per line
queries() {
    case $1 in
    first_page) for _ in $(seq 40); do echo 'limit=50'; done ;;
    page_1000) for _ in $(seq 40); do echo "limit=50&cursor=$cursor"; done ;;
    common) for word in $words; do echo "q=$word"; done ;;
    common_by_name) for word in $words; do echo "q=$word&sort=name"; done ;;
    rare) for n in $(seq 12); do echo "q=quokka$n"; echo 'q=zyzzyva'; done ;;
    two_words) echo "$words" | awk '{w[NR] = $1} END {for (i = 1; i <= NR; i++) print "q=" w[i] "+" w[i % NR + 1]}' ;;
    sku_substring) for sku in $skus; do echo "q=$sku"; done ;;
    no_match) for n in $(seq 40); do echo "q=xqzj$n"; done ;;
    active) for _ in $(seq 40); do echo 'active=true'; done ;;
    inactive) for _ in $(seq 40); do echo 'active=false'; done ;;
    has_description) for _ in $(seq 20); do echo 'has_description=true'; echo 'has_description=false'; done ;;
    created) for _ in $(seq 20); do echo "created_from=$middle"; echo "created_to=$middle"; done ;;
    updated) for _ in $(seq 20); do echo "updated_from=$middle"; echo "updated_to=$middle"; done ;;
    import) for _ in $(seq 20); do echo 'import=1'; echo 'import=2'; done ;;
    count) for word in $words; do echo "q=$word"; done ;;
    sort_sku) for _ in $(seq 40); do echo 'sort=sku'; done ;;
    sort_name) for _ in $(seq 40); do echo 'sort=name'; done ;;
    sort_updated) for _ in $(seq 40); do echo 'sort=-updated'; done ;;
    esac
}
# `count` requests /products/count for each common word.
classes='first_page page_1000 common common_by_name rare two_words sku_substring no_match active inactive has_description created updated import count sort_sku sort_name sort_updated'
for class in $classes; do
    queries "$class" >"$dir/queries.$class"
done

# ask FILE OUT: sends each query of FILE, one after the other on one connection; appends milliseconds to OUT
ask() {
    local path=products
    [ "${1##*.}" = count ] && path=products/count
    awk -v url="$url" -v path="$path" '{print "url = \"" url "/api/v1/" path "?" $0 "\"\noutput = /dev/null"}' "$1" >"$dir/curl.config"
    curl -sS --fail -K "$dir/curl.config" -w '%{time_total}\n' | awk '{print $1 * 1000}' >>"$2"
}

for class in $classes; do
    ask "$dir/queries.$class" /dev/null
    ask "$dir/queries.$class" "$dir/idle.$class"
done
say "idle: done"

# While imports run: two queries of each class in turn, until there are enough of them.
round=0
for class in $classes; do : >"$dir/busy.$class"; done
until [ "$rounds" = 0 ] || [ "$(wc -l "$dir"/busy.* | sort -n | awk 'NR == 1 {print $1}')" -ge 40 ]; do
    round=$((round + 1))
    [ $((round % 2)) = 0 ] && file=first || file=changed
    import=$(upload "$dir/$file.csv")
    until [ "$(sql loadify_side -c "SELECT phase FROM imports WHERE id = $import")" = load ]; do sleep 0.05; done
    while :; do
        for class in $(shuf -e $classes); do
            shuf -n 2 "$dir/queries.$class" >"$dir/some.$class"
            : >"$dir/some.ms"
            ask "$dir/some.$class" "$dir/some.ms"
            # Requests after the end of the import do not count.
            [ "$(sql loadify_side -c "SELECT status FROM imports WHERE id = $import")" = running ] || break 2
            cat "$dir/some.ms" >>"$dir/busy.$class"
        done
    done
    end_of "$import"
    indexed
done
say "while $round imports ran: done"
busy=null

# The same search in plain SQL, without an index.
for word in $(echo "$words" | head -n 5) xqzj; do
    sql loadify_side -c '\timing on' -c "SELECT * FROM products WHERE sku ILIKE '%$word%' OR name ILIKE '%$word%' OR description ILIKE '%$word%' ORDER BY id DESC LIMIT 50" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'
    sql loadify_side -c '\timing on' -c "SELECT count(*) FROM products WHERE sku ILIKE '%$word%' OR name ILIKE '%$word%' OR description ILIKE '%$word%'" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' >>"$dir/ilike"
done >/dev/null

# figures KIND: prints JSON of all classes
figures() {
    local json= class
    for class in $classes; do
        json+="\"$class\":{\"p50\":$(percentile "$dir/$1.$class" 50),\"p95\":$(percentile "$dir/$1.$class" 95),\"n\":$(wc -l <"$dir/$1.$class")},"
    done
    printf '{%s}' "${json%,}"
}
[ "$rounds" = 0 ] || busy=$(figures busy)
printf '{"rows":%d,"classes":%s,"import_running":%s,"ilike_count_ms":%s}\n' "$rows" "$(figures idle)" "$busy" "$(median "$dir/ilike")"
