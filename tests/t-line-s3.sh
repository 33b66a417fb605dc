#!/bin/bash
# The whole line on S3: OpenStack Swift behind TLS holds all there is, and each
# web server keeps what visitors ask for on its own disk.
# shellcheck disable=SC2119,SC2154

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"
# shellcheck source=swift.sh
. "$here/swift.sh"
# shellcheck source=site-fixture.sh
. "$here/site-fixture.sh"

need jq curl git redis-server apache2
need_docker
[ -x "${top_builddir:?}/tests/test_store" ] ||
	skip_all 'tests/test_store has not been built'
services_begin
start_swift
start_tls
site_dir=$T/cache
make_bucket line "$S3_TLS_URL" "store_ca $T/ca.pem" "site_cache $T/cache" \
	'site_cache_bytes 1M' 'site_cache_age 2' 's3_timeout 5' 's3_part 5M'
mv "$T/line.conf" "$T/davit.conf"
like "$("${as_user[@]}" "$T/libexec/davitd" -n 2>&1)" 'good: .*store s3 https' \
	'davitd -n finds the bucket good'
start_redis
start_apache
start_davitd

# --- from a URL to a site ---

mkdir "$T/tmp/page"
echo '<h1>page</h1>' >"$T/tmp/page/index.html"
echo 'h1 { color: green }' >"$T/tmp/page/style.css"
echo never >"$T/tmp/page/never.txt"
for i in 1 2 3 4; do
	head -c 300000 /dev/urandom >"$T/tmp/page/$i.bin"
done
url=$(git_repo page "$T/tmp/page")
id=$(deploy "$url")
built=$(deploy "$(jq -cn --arg url "$url" '{url: $url, output: "out",
	build: "mkdir out && cp index.html out && echo built it"}')")
is "$(wait_final "$id" 60)" deployed 'plain HTML is deployed'
is "$(wait_final "$built" 120)" deployed 'so is what is built'
declare -A doomed
for server in apache apache_proxy lighttpd nginx; do
	doomed[$server]=$(deploy "$(jq -cn --arg url "$url" --arg n $server \
		'{url: $url, env: {SERVER: $n}}')")
	is "$(wait_final "${doomed[$server]}" 60)" deployed "one for $server"
done
settled() {
	[ "$(rcli scard davit:settling)" = 0 ]
}
runs 'records and logs go to the store' poll_until 20 settled
is "$(find "$T/store" -type f)" '' 'nothing goes to a directory'
rcli flushall >/dev/null
is "$(state "$id")" deployed 'without Redis the store tells the state'
like "$(api GET "/log/$built")" 'built it' '… and the log'

# --- by the cache ---

fetched() { # PATH: how often it was asked for
	grep -c "^GET /line/dist/$id/$1$" "$T/run/requests"
}
asked() { # what the store was asked for of the site since the last time
	local from=0
	[ ! -e "$T/tmp/asked" ] || from=$(<"$T/tmp/asked")
	wc -l <"$T/run/requests" >"$T/tmp/asked"
	tail -n "+$((from + 1))" "$T/run/requests" | grep "$id" |
		sed "s|/line/||; s|$id|ID|" | sort | xargs
}
asked >/dev/null
get "$id" /
is "$code $(body)" '200 <h1>page</h1>' 'the front page is served'
is "$(asked)" 'GET dist/ID/index.html GET manifests/ID.json GET manifests/ID.rules HEAD manifests/ID.json' \
	'… which asks once for all there is to know of the site'
get "$built" /
is "$code $(body)" '200 <h1>page</h1>' 'that of the other site too'
for ((i = 0; i < 32; i++)); do
	site "$id" /style.css -o "$T/tmp/got.$i" &
	visitors[i]=$!
done
wait "${visitors[@]}"
is "$(cat "$T"/tmp/got.* | sort | uniq -c | xargs)" \
	'32 h1 { color: green }' '32 who come together are all served'
is "$(asked | sed 's/HEAD [^ ]*//g' | xargs)" 'GET dist/ID/style.css' \
	'… by one request to the store'
is "$(find "$T/cache/dist/$id" -type f -printf '%f\n' | sort | xargs)" \
	'index.html style.css' '… and one file'
get "$id" /style.css
like "$(header etag)" '^"[0-9a-f]+-[0-9a-f]+"$' 'the next one is served by Apache'
is "$(body)" 'h1 { color: green }' '… the same'
etag=$(header etag)

stop_apache
start_apache
get "$id" /style.css
is "$code $(header etag)" "200 $etag" 'a restart forgets nothing'
is "$(fetched style.css)" 1 '… and fetches nothing'

same() { # NAME
	get "$id" "/$1" && cmp "$T/body" "$T/tmp/page/$1"
}
for i in 1 2 3 4; do
	runs "$i.bin is served whole" same $i.bin
done
[ "$(find "$T/cache/dist" -type f -printf '%s\n' |
	awk '{ n += $1 } END { print n + 0 }')" -le 1048576 ]
is $? 0 'the cache keeps its bound'
[ ! -e "$T/cache/dist/$id/1.bin" ]
is $? 0 '… the oldest has gone'
runs '… and comes back' same 1.bin
is "$(fetched 1.bin)" 2 '… by another fetch'

# --- what the store should not hold ---

swift_api PUT "line/dist/$id/never.txt" -d 'wrong'$'\n' >/dev/null
get "$id" /never.txt
is "$code" 503 'other bytes than the manifest tells are not served'
[ ! -e "$T/cache/dist/$id/never.txt" ]
is $? 0 '… nor kept'

# --- the store is away ---

get "$id" /
get "$id" /style.css
stop tls
get "$id" /style.css
is "$code" 200 'without the store, what is here is served'
get "$id" /
is "$code $(body)" '200 <h1>page</h1>' '… pages as well'
get "$id" /never.txt
is "$code $(header retry-after)" '503 5' '… and the rest is told to wait'
get zzzzzzzzzz /
is "$code" 503 '… as is a site that may be one'
like "$(api GET /healthz)" '"store": *"the store can.t be written"' \
	'its health is told'
restart_tls
get zzzzzzzzzz /
is "$code" 404 'it is back'

# --- a site is deleted ---

# What site.fcgi answers first, the web server itself does from then on.
deletes() { # SERVER ID
	get "$2" /style.css
	get "$2" /style.css
	like "$code $(header etag)" '^200 "' "$1 serves from its disk"
	[ -e "$T/cache/dist/$2/style.css" ] || not_ok "$1: it is there"
	get davit.test "/deployments/$2" -X DELETE
	is "$code" 200 "$1: it is deleted"
	is "$(find "$T/cache" -path "*$2*")" '' '… here as well'
	get "$2" /style.css
	is "$code" 410 '… and gone at once'
}
stop_apache
for server in apache apache_proxy lighttpd nginx; do
	start_$server
	deletes $server "${doomed[$server]}"
	stop_${server%_proxy}
done
start_apache

# --- a site is taken away ---

swift_api DELETE "line/manifests/$id.json"
is_gone() {
	get "$id" /style.css
	[ "$code" = 404 ]
}
runs 'a site that was taken from the store is gone' poll_until 30 is_gone
get "$id" /
is "$code" 404 '… all of it'
is "$(find "$T/cache" -path "*$id*")" '' '… and nothing of it is kept'
get "$built" /
is "$code" 200 '… the other one is not'

done_testing
