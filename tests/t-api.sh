#!/bin/bash
# The API under Apache and mod_fcgid, with a real Redis and a real git host:
# what is accepted, what is refused and leaves nothing, who may do what.
# shellcheck disable=SC2016,SC2119,SC2153

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"

need jq curl git redis-server apache2 perl
services_begin
write_conf
start_redis



# Ask; $code, $answer, and $T/head for header().
ask() { # METHOD PATH [CURL OPTION…]
	answer=$(api "$@" -D "$T/head" -w '\n%{http_code}' --path-as-is)
	code=${answer##*$'\n'}
	answer=${answer%$'\n'*}
}

header() { # NAME
	tr -d '\r' <"$T/head" | sed -n "s/^$1: //Ip" | tail -n 1
}

field() { # JQ-EXPRESSION
	jq -r "$1" <<<"$answer"
}

post() { # BODY [CURL OPTION…]
	local body=$1
	shift
	ask POST /get/url -H 'Content-Type: application/json' \
		--data-binary "$body" "$@"
}

# Everything that a submission may leave.
left() {
	find "$T/store" "$T/scratch" -type f -o -mindepth 1 -name 'fetch-*'
	rcli --raw keys '*' | grep -v '^davit:check$'
}

refused() { # CODE ERROR NAME
	is "$code $(field .error)" "$1 $2" "$3"
	[ -n "$(field '.hint // empty')" ] || not_ok "… with a hint" "$answer"
}

# --- bad input ---

start_apache
mkdir "$T/tmp/site"
echo '<h1>site</h1>' >"$T/tmp/site/index.html"
url=$(git_repo site "$T/tmp/site")

while IFS='|' read -r name body; do
	post "$body"
	refused 400 bad_request "$name"
done <<-'END'
	an empty body|
	no JSON|url=https://example.org/a.git
	JSON that ends early|{"url": "https://example.org/
	two values|{"url": "https://example.org/a"} {}
	an array|["https://example.org/a.git"]
	no url|{}
	url that is null|{"url": null}
	url that is a number|{"url": 7}
	url that is a list|{"url": ["https://example.org/a.git"]}
	an empty url|{"url": ""}
	a NUL in url|{"url": "https://example.org/a\u0000.git"}
	a newline in url|{"url": "https://example.org/a\n.git"}
	file:|{"url": "file:///etc"}
	a path|{"url": "/etc"}
	ext:|{"url": "ext::sh -c x"}
	no host|{"url": "https://"}
	an option for a URL|{"url": "-oProxyCommand=x"}
	an option for a host|{"url": "https://-oProxyCommand=x/a.git"}
	an option for a ref|{"url": "https://example.org/a", "ref": "--exec=x"}
	a ref with dots|{"url": "https://example.org/a", "ref": "a..b"}
	a dir that leaves|{"url": "https://example.org/a", "dir": "../b"}
	an unknown field|{"url": "https://example.org/a", "colour": "red"}
	env that is no object|{"url": "https://example.org/a", "env": "A=1"}
END
post '{"colour": "red", "url": "https://example.org/a"}'
like "$(field .message)" colour 'the field is named'
post "{\"url\": \"https://example.org/$(head -c 10000 /dev/zero | tr '\0' a)\"}"
refused 400 bad_request 'a URL of 10 KB'
post "{\"url\": \"$(head -c 70000 /dev/zero | tr '\0' a)\"}"
refused 413 too_large 'a body over 64 KiB'
head -c 3000000 /dev/zero >"$T/tmp/big"
post "@$T/tmp/big"
is "$code" 413 'a body of 3 MB'
post "$(printf '{"url": "http://\377"}')"
refused 400 bad_request 'a byte that is no UTF-8'
post '{"url": "https://example.org/a.git"}' -H 'Content-Type: text/plain' \
	-H 'Origin: https://foreign.example'
refused 403 forbidden 'what foreign web pages may send'
for method in GET PUT DELETE PATCH; do
	ask $method /get/url
	refused 405 method_not_allowed "$method /get/url"
	is "$(header allow)" POST '… with what is allowed'
done
for path in /get /get/ /get/url/ /get/urls /nothing /status /status/ \
	/status/abc /status/abcdefghijk \
	/status/abcdefghi%2f /status/abcdef.hij /log/x /deployments/; do
	ask GET "$path"
	is "$code" 404 "no such path: $path"
done
for path in //status/abcdefghij /status/../healthz /status/%2e%2e/x \
	/status/a%00b /%ff; do
	ask GET "$path"
	like "$code" '^40[04]$' "refused: $path"
done
for path in /status/abcdefghij /log/abcdefghij /status/ABCDEFGHIJ; do
	ask GET "$path"
	refused 404 not_found "no such deployment: $path"
	is "$(field .id)" abcdefghij '… by its id'
done
is "$(left)" '' 'all of that leaves nothing'

# --- repositories that cannot be fetched ---

clone_fails() { # URL CODE ERROR NAME
	post "{\"url\": \"$1\"}"
	refused "$2" "$3" "$4"
	like "$(field .message)" '^Failed to clone repository: ' \
		'… as promised'
	is "$(left)" '' '… and leaves nothing'
}

clone_fails "$URL/git/none.git" 422 repository_not_found \
	'a repository that is not there'
odd_host private 'sysread $c, my $x, 4096; print $c
	"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\n" .
	"Content-Length: 0\r\nConnection: close\r\n\r\n"'
clone_fails "$odd/a.git" 422 repository_private \
	'a repository that wants a password'
odd_host resets 'sysread $c, my $x, 4096; print $c "HTTP/1.1 200 OK\r\n" .
	"Content-Type: application/x-git-upload-pack-advertisement\r\n" .
	"Content-Length: 9999\r\n\r\n001e# service=git-upload-pack\n0000";
	$c->flush; setsockopt($c, SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))'
clone_fails "$odd/a.git" 502 fetch_failed 'a host that resets half-way'
odd_host silent 'sleep 60'
silent=$odd
stop_apache
write_conf 'fetch_time 2'
start_apache
clone_fails "$silent/a.git" 504 fetch_timeout 'a host that never answers'
stop_apache
write_conf 'allow_hosts 192.0.2.1'
start_apache
post "{\"url\": \"$url\"}"
refused 403 address_forbidden 'a private address'
is "$(left)" '' '… leaves nothing'
stop_apache
write_conf
start_apache

# --- a plan, and nothing else ---

mkdir "$T/tmp/vite"
echo '{"scripts":{"build":"vite build"},"dependencies":{"vite":"5"}}' \
	>"$T/tmp/vite/package.json"
echo '[build]
publish = "www"
command = "make site"' >"$T/tmp/vite/netlify.toml"
vite=$(git_repo vite "$T/tmp/vite")
post "{\"url\": \"$vite\", \"plan_only\": true, \"node\": \"20\"}"
is "$code $(field '.plan | [.framework, .node, .node_source, .build,
	.output, .matched[0]] | join(",")')" \
	'200 vite,20,the request,make site,www,vite' 'a plan is told'
like "$(field '.plan.why[]')" 'build: as netlify.toml says' '… and why'
like "$(field .commit)" '^[0-9a-f]{40}$' '… and of which commit'
is "$(field '.id // "none"')" none 'it is no deployment'
post "{\"url\": \"$vite\", \"plan_only\": true, \"framework\": \"x\"}"
refused 400 bad_request 'a plan with a framework that is not known'
echo '{"dependencies":{"next":"14"}}' >"$T/tmp/vite/package.json"
vite=$(git_repo next "$T/tmp/vite")
post "{\"url\": \"$vite\", \"plan_only\": true}"
refused 422 server_framework 'a plan of a server'
post "{\"url\": \"$URL/git/none.git\", \"plan_only\": true}"
refused 422 repository_not_found 'a plan of nothing'
post "{\"url\": \"$vite\", \"plan_only\": \"yes\"}"
refused 400 bad_request 'plan_only that is no boolean'
is "$(left)$(find "$T/scratch" -mindepth 1)" '' 'plans leave nothing'

# --- a submission ---

post "{\"url\": \"$url\"}"
id=$(field .id)
is "$code $(field .success)" '200 true' 'a repository is accepted'
like "$id" '^[a-z0-9]{10}$' 'it has an id'
is "$(field .status) $(field .site)" \
	"/status/$id http://$id.davit.test:$PORT/" 'and its addresses'
is "$(rcli --raw lrange build-queue 0 -1)" "$id" 'it is queued'
runs 'its source is stored' test -s "$T/store/output/$id.tar.zst"
is "$(find "$T/scratch" -mindepth 1)" '' 'and scratch is clean'
is "$(header content-type) $(header cache-control)" \
	'application/json no-store' 'answers are JSON that nobody keeps'
is "$(header x-content-type-options)" nosniff 'nor guesses at'

ask GET "/status/$id"
is "$code $(field .state) $(field .queue.position)" '200 queued 1' \
	'its status'
like "$(field .commit.sha)" '^[0-9a-f]{40}$' 'tells the commit'
is "$(header retry-after)" 1 'and when to ask again'
etag=$(header etag)
like "$etag" '^"[0-9a-f]{32}"$' 'under an ETag'
ask GET "/status/$id" -H "If-None-Match: $etag"
is "$code $answer" '304 ' 'unchanged, it is not sent again'
is "$(header etag)" "$etag" '… still under it'
ask GET "/status/${id^^}"
is "$code $(field .id)" "200 $id" 'ids have no case'
ask GET "/status/$id" -I
is "$code" 200 'HEAD'
ask POST "/status/$id"
is "$code $(header allow)" '405 GET, HEAD' 'a status is for reading'
ask GET "/status/$id?after=nowhere"
refused 400 bad_request 'no such state'
ask GET "/status/$id?wait=x"
refused 400 bad_request 'no such time'

start_ms=${EPOCHREALTIME/./}
ask GET "/status/$id?wait=1&after=queued"
ms=$(((${EPOCHREALTIME/./} - start_ms) / 1000))
is "$code $(field .state) $((ms >= 900 && ms < 5000))" '200 queued 1' \
	"a poll waits ($ms ms)"
ask GET "/status/$id?wait=25&after=building" --max-time 5
is "$code" 200 'but not for what is past'
(poll_until 20 test -e "$T/tmp/cancel" &&
	api POST "/deployments/$id/cancel" >/dev/null) &
touch "$T/tmp/cancel"
ask GET "/status/$id?wait=25&after=queued"
wait $!
is "$code $(field .state)" '200 canceled' 'and ends with a change'
ask POST "/deployments/$id/cancel"
refused 409 conflict 'what has ended is not canceled'
ask GET "/deployments/$id/cancel"
is "$code $(header allow)" '405 POST' 'nor by looking at it'
ask POST /deployments/zzzzzzzzzz/cancel
refused 404 not_found 'nor what is not there'

# --- logs ---

rcli append "davit:log:$id" $'one\ntwo \xc3\xa9\n' >/dev/null
ask GET "/log/$id"
is "$answer" $'one\ntwo é\n' 'the log'
is "$(header content-type)" 'text/plain; charset=utf-8' 'is text'
is "$(header x-log-offset) $(header x-log-complete)" '11 1' 'of that length'
ask GET "/log/$id?offset=4"
is "$answer" $'two é\n' 'from an offset on'
ask GET "/log/$id?offset=11"
is "$code $answer $(header x-log-offset)" '200  11' 'from its end on'
ask GET "/log/$id?offset=1000"
is "$code $answer" '200 ' 'from beyond its end on'
for offset in -1 x 1.5 99999999999999999999 '' 0x1; do
	ask GET "/log/$id?offset=$offset"
	refused 400 bad_request "no offset: '$offset'"
done
rcli set "davit:log-times:$id" '0 1700000000000;4 1700000061500;' >/dev/null
ask GET "/log/$id?timestamps=1"
is "$answer" $'2023-11-14T22:13:20.000Z one\n2023-11-14T22:14:21.500Z two é\n' \
	'with the time of each line'
is "$(header x-log-offset) $(header x-log-complete)" '11 1' \
	'offsets are those of the log without'
ask GET "/log/$id?timestamps=1&offset=4"
is "$answer" $'2023-11-14T22:14:21.500Z two é\n' 'times from an offset on'
ask GET "/log/$id?timestamps=1&offset=5"
is "$answer" $'wo é\n' 'none in the middle of a line'
ask GET "/log/$id?timestamps=1&offset=11"
is "$code $answer $(header x-log-offset)" '200  11' 'none at its end'
ask GET "/log/$id?timestamps=yes"
refused 400 bad_request 'timestamps: 0 or 1'
head -c 1500000 /dev/zero | tr '\0' a |
	rcli -x append "davit:log:$id" >/dev/null
ask GET "/log/$id"
is "${#answer} $(header x-log-offset) $(header x-log-complete)" \
	'1048575 1048576 0' 'an answer is bounded'
ask GET "/log/$id?offset=1048576"
is "$(header x-log-offset) $(header x-log-complete)" '1500011 1' \
	'and goes on from there'

# --- what the store keeps ---

mkdir -p "$T/store/deployments" "$T/store/logs"
api GET "/status/$id" >"$T/tmp/record"
jq -c '{id, state, url, created, updated, attempt, owner} |
	with_entries(select(.value != null))' "$T/tmp/record" \
	>"$T/store/deployments/$id.json"
printf 'kept log\n' >"$T/store/logs/$id.txt"
echo '0 1700000000000;' >"$T/store/logs/$id.times"
[ "$(id -u)" -ne 0 ] || chown -R www-data:www-data "$T/store"
rcli flushall >/dev/null
ask GET "/status/$id"
is "$code $(field .state)" '200 canceled' 'Redis forgets, the store does not'
ask GET "/log/$id?offset=5"
is "$code $answer $(header x-log-complete)" $'200 log\n 1' 'nor the log'
ask GET "/log/$id?timestamps=1"
is "$answer" $'2023-11-14T22:13:20.000Z kept log\n' 'nor its times'
ask POST "/deployments/$id/cancel"
refused 409 conflict 'what has ended has ended'

# --- lists ---

for _ in 1 2 3; do
	post "{\"url\": \"$url\"}"
	ids=("$(field .id)" "${ids[@]:0:2}")
done
ask GET '/deployments'
is "$(field '[.deployments[].id] | join(" ")')" "${ids[*]}" \
	'deployments, the newest first'
ask GET '/deployments?limit=2'
is "$(field '[.deployments[].id] | join(" ")')" "${ids[*]:0:2}" 'the first two'
ask GET "/deployments?limit=2&before=$(field .before)"
is "$(field '[.deployments[].id] | join(" ")')" "${ids[2]}" 'and the rest'
for limit in 0 101 x -1; do
	ask GET "/deployments?limit=$limit"
	refused 400 bad_request "no limit: $limit"
done
ask POST /deployments
is "$code $(header allow)" '405 GET, HEAD' 'a list is for reading'
ask GET /
is "$code" 200 'the front page'
like "$answer" '^davit' 'tells what this is'

# --- health, and parts that are away ---

ask GET /healthz
is "$code $answer" '200 {"redis":"ok","store":"ok"}' 'all is well'
before=$(find "$T/store" -type f | sort)
stop_redis
ask GET /healthz
is "$code $(field .redis) $(field .store)" '503 does not answer ok' \
	'without Redis it is not'
post "{\"url\": \"$url\"}"
refused 503 unavailable 'nothing is accepted then'
like "$(header retry-after)" '^[0-9]+$' 'and later is better'
is "$(find "$T/store" -type f | sort)" "$before" 'nothing is stored'
ask GET "/status/$id"
is "$code $(field .state)" '200 canceled' 'what the store has is there'
ask GET "/status/${ids[0]}"
refused 503 unavailable 'what it has not is not missing'
start_redis
ask GET "/status/${ids[0]}"
is "$code $(field .state)" '200 queued' 'and is back with Redis'
chmod 0 "$T/store/output" "$T/store/tmp"
ask GET /healthz
is "$code $(field .redis) $(field .store)" "503 ok the store can't be written" \
	'without the store it is not well either'
queued=$(rcli llen build-queue)
post "{\"url\": \"$url\"}"
is "$code $(rcli llen build-queue)" "503 $queued" 'nothing is queued then'
chmod 755 "$T/store/output" "$T/store/tmp"

# --- leaving ---

stop silent
odd_host slow 'sleep 60'
pids_of() { # PROGRAM: of this test
	local exe
	for exe in /proc/[0-9]*/exe; do
		[ "$(readlink "$exe")" != "$T/libexec/$1" ] ||
			basename "${exe%/exe}"
	done 2>/dev/null
}
fetches() {
	[ -n "$(pids_of davit-fetch)" ]
}
# The one that is told is this submission's, not an earlier one's.
quiet() {
	! fetches
}
poll_until 30 quiet
(
	post "{\"url\": \"$odd/a.git\"}"
	echo "$code $(field .error)" >"$T/tmp/slow"
) &
runs 'a submission is on its way' poll_until 10 fetches
start_ms=${EPOCHREALTIME/./}
pids_of submit.fcgi | xargs kill -TERM
wait $!
ms=$(((${EPOCHREALTIME/./} - start_ms) / 1000))
is "$(cat "$T/tmp/slow")" '503 unavailable' \
	'told to leave, it is not left without an answer'
is "$((ms < 10000))" 1 "… which it does not wait for ($ms ms)"
is "$(find "$T/scratch" -mindepth 1)" '' 'and leaves no scratch'

# --- tokens ---

stop_apache
printf 'alice %s\nbob %s # his\n' "$(printf alpha | sha256sum | cut -c -64)" \
	"$(printf beta | sha256sum | cut -c -64)" >"$T/tokens"
chmod 640 "$T/tokens"
[ "$(id -u)" -ne 0 ] || chown www-data "$T/tokens"
write_conf "tokens $T/tokens"
start_apache
alice='Authorization: Bearer alpha' bob='Authorization: Bearer beta'
post "{\"url\": \"$url\"}"
refused 401 unauthorized 'who brings no token is asked for one'
like "$(header www-authenticate)" ^Bearer '… of that kind'
post "{\"url\": \"$url\"}" -H 'Authorization: Bearer gamma'
refused 401 unauthorized 'an unknown one does not do'
post "{\"url\": \"$url\"}" -H "$alice"
is "$code" 200 'a known one does'
id=$(field .id)
for path in "/status/$id" "/log/$id" /deployments; do
	ask GET "$path"
	is "$code" 401 "no reading without one: $path"
	ask GET "$path" -H "$bob"
	is "$code" 200 'with one, yes'
done
ask GET "/status/$id" -H "$alice"
is "$(field .owner)" alice 'its owner is known'
ask POST "/deployments/$id/cancel" -H "$bob"
refused 403 forbidden "another's is not to be changed"
ask POST "/deployments/$id/cancel" -H "$alice"
is "$code $(field .canceled)" '200 true' "one's own is"
ask GET /healthz
is "$code" 200 'health is for all'
chmod 644 "$T/tokens"
ask GET "/status/$id" -H "$alice"
refused 503 bad_configuration 'a file that all can read lets nobody in'
unlike "$answer" "$T" '… and its path is not told'
chmod 640 "$T/tokens"
ask GET "/status/$id" -H "$alice"
is "$code" 200 'mended, it is used again'
stop_apache
write_conf "tokens $T/tokens" 'public_status yes'
start_apache
ask GET "/status/$id"
is "$code" 200 'public_status opens the status'
ask GET "/log/$id"
is "$code" 200 'and the log'
ask GET /deployments
is "$code" 401 'but not the list'
post "{\"url\": \"$url\"}"
is "$code" 401 'nor submissions'
if grep -q -e alpha -e beta "$T/log/apache"; then
	not_ok 'no token is in a log'
else
	ok 'no token is in a log'
fi

done_testing
