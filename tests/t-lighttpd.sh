#!/bin/bash
# The essentials of t-api.sh and t-site.sh under lighttpd.
# shellcheck disable=SC2119,SC2154

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"
# shellcheck source=site-fixture.sh
. "$here/site-fixture.sh"

need jq curl lighttpd redis-server
services_begin
write_conf
start_redis
sites_begin

post() { # BODY [CURL OPTION…]
	local body=$1
	shift
	get davit.test /get/url -X POST \
		-H 'Content-Type: application/json' --data-binary "$body" "$@"
}

start_lighttpd

# --- the API ---

get davit.test /healthz
is "$code $(body)" '200 {"redis":"ok","store":"ok"}' 'all is well'
get davit.test /
like "$(body)" '^davit' 'the front page'
post '{"url": "file:///etc"}'
is "$code $(jq -r .error "$T/body")" '400 bad_request' 'bad input is refused'
post "$(head -c 70000 /dev/zero | tr '\0' ' ')"
is "$code $(jq -r .error "$T/body")" '413 too_large' 'so is too much of it'
post '{"url": "http://127.0.0.1:1/a.git"}'
is "$code $(jq -r .error "$T/body")" '502 fetch_failed' \
	'a host that refuses is told'
get davit.test /get/url
is "$code $(header allow)" '405 POST' 'submissions are posted'
get davit.test /status/abcdefghi1
is "$code" 404 'no such deployment'
get davit.test /status/..%2fhealthz
is "$code" 404 'an encoded slash'
is "$(rcli --raw keys 'davit:deployment*'; find "$T/store/output" \
	"$T/scratch" -mindepth 1 2>/dev/null)" '' 'nothing is left of all that'
stop_redis
post '{"url": "https://example.org/a.git"}'
is "$code $(header retry-after)" '503 5' 'without Redis, nothing is accepted'
start_redis

# Polls are answered while a submission pool is busy waiting.
rcli hset davit:deployment:abcdefghi9 id abcdefghi9 state queued \
	url http://x.test/a created 1 updated 1 attempt 1 >/dev/null
polls=()
for _ in 1 2 3 4 5 6; do
	curl -s --noproxy '*' -H 'Host: davit.test' -o /dev/null \
		"$URL/status/abcdefghi9?wait=3&after=queued" &
	polls+=($!)
done
start_ms=${EPOCHREALTIME/./}
get davit.test /healthz
ms=$(((${EPOCHREALTIME/./} - start_ms) / 1000))
is "$code $((ms < 2000))" '200 1' "polls keep nobody waiting ($ms ms)"
wait "${polls[@]}"

# --- sites ---

get $plain /
is "$code $(body)" '200 <h1>home</h1>' 'the index page'
etag=$(header etag)
get $plain / -H "If-None-Match: $etag"
is "$code" 304 'unchanged, it is not sent again'
get "${plain^^}.Davit.TEST" /app.js
is "$code $(header x-content-type-options)" '200 nosniff' 'a file'
get $plain /assets/index-BxY3_k9Q.js
like "$(header cache-control)" immutable 'a hashed name is kept for ever'
get $plain /big.bin
is "$code $(sha256sum <"$T/body")" \
	"200 $(sha256sum <"$T/store/dist/$plain/big.bin")" \
	'a large file arrives whole'
is "$(header x-sendfile)" '' 'and how is not told'
unlike "$(header etag)" '^"[0-9a-f]{32}"$' 'by lighttpd itself'
get $plain /%62ig.bin
is "$code $(sha256sum <"$T/body")" \
	"200 $(sha256sum <"$T/store/dist/$plain/big.bin")" \
	'as it does where site.fcgi has to say so'
is "$(header x-sendfile)" '' 'and how is not told'
like "$(header etag)" '^"[0-9a-f]{32}"$' 'under the ETag of its contents'
get $plain /big.bin -H 'Range: bytes=1000-1009'
is "$code $(header content-range)" '206 bytes 1000-1009/200000' 'a part of it'
get $plain /big.bin -I
is "$code $(header content-length)" '200 200000' 'its headers alone'
get $plain / -H 'Range: bytes=4-7'
is "$code $(body)" '206 home' 'a part of a small one'
get $plain '/a%20b%23c%3fd.txt'
is "$code $(body)" '200 odd' 'names may be odd'
get $plain '/docs?a=1'
is "$code $(header location)" '308 /docs/?a=1' 'to the directory'
get $spa /users/7 -H 'Accept: text/html'
is "$code $(body)" '200 spa' 'a single-page application has its routes'
get $own404 /blog/none
is "$code $(body)" '404 blog' 'the nearest 404 page'
get $plain /shell.php
is "$code $(body)" '200 <?php echo 1+1;' 'PHP is shown, not run'
for path in /.env /.git/config /a/.htpasswd; do
	get $plain "$path"
	like "$code" '^40[34]$' "not shown: $path"
done
for path in /../secret /%2e%2e/secret /..%2fsecret '/..%5csecret' /%00; do
	get $plain "$path" --path-as-is
	like "$code" '^40[04]$' "refused: $path"
	unlike "$(body)" secret '… and not shown'
done
for path in / /app.js; do
	get $half "$path"
	is "$code" 404 "half-published, $path is not to be seen"
done
get $plain / -d x
is "$code $(header allow)" '405 GET, HEAD' 'sites are for reading'
get $plain /none
like "$code $(body)" '^404 .*Nothing here' 'the page for what is not there'

done_testing
