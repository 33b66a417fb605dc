#!/bin/bash
# doc/openapi.json against the responders: every documented answer is met, and
# no answer has a status, a header or a field that is not documented.
# shellcheck disable=SC2016,SC2119

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"

need jq curl git redis-server apache2 perl
spec=$top_srcdir/doc/openapi.json
services_begin
write_conf
start_redis
mkdir "$T/tmp/answers"
asked=0

# Ask and keep request, head and body; $answer.
ask() { # METHOD PATH [CURL OPTION…]
	printf -v to '%s/tmp/answers/%03d' "$T" $((++asked))
	mkdir "$to" && : >"$to/body"
	printf '%s %s\n' "$1" "$2" >"$to/request"
	api "$@" -D "$to/head" -o "$to/body"
	answer=$(tr -d '\0' <"$to/body")
}

post() { # BODY [CURL OPTION…]
	local body=$1
	shift
	ask POST /get/url -H 'Content-Type: application/json' -d "$body" "$@"
}

deployed() { # URL: $id
	post "{\"url\": \"$1\"}"
	id=$(jq -r '.id // empty' <<<"$answer")
}


again_with() { # [CONF-LINE…]
	stop_apache
	write_conf "$@"
	start_apache
}

archive() { # FILE [CURL OPTION…]
	ask POST /get/tar --data-binary "@$1" "${@:2}"
}

# What needs an id, and what does not, in each condition of the parts.
ask_all() { # [CURL OPTION…]
	post "{\"url\": \"$url\"}" "$@"
	archive "$T/tmp/site.tar" "$@"
	ask GET "/status/$id" "$@"
	ask GET "/log/$id" "$@"
	ask GET /deployments "$@"
	ask POST "/deployments/$id/cancel" "$@"
	ask POST "/deployments/$id/redeploy" "$@"
	ask DELETE "/deployments/$id" "$@"
}

# The same of aliases.
ask_aliases() { # [CURL OPTION…]
	ask PUT /aliases/blog -d "{\"id\": \"$live\"}" "$@"
	ask GET /aliases "$@"
	ask GET /aliases/blog "$@"
	ask DELETE /aliases/blog "$@"
}

start_apache
mkdir "$T/tmp/site"
echo '<h1>site</h1>' >"$T/tmp/site/index.html"
echo 'left.txt' >"$T/tmp/site/.gitignore"
echo 'left out' >"$T/tmp/site/left.txt"
url=$(git_repo site "$T/tmp/site")
tar -C "$T/tmp/site" -cf "$T/tmp/site.tar" .

# --- all is well ---

ask GET /
ask GET /healthz
post "$(jq -c --arg url "$url" '.components.schemas.Submission.properties |
	map_values(.examples[0]) | .url = $url | del(.dir, .auth)' "$spec")"
runs 'every documented field of a submission is taken' \
	jq -e .success <<<"$answer"
post "{\"url\": \"$url\", \"plan_only\": true}"
deployed "$url"
is "$(jq -r .source <<<"$answer")" fetched 'a commit is fetched'
deployed "$url"
is "$(jq -r .source <<<"$answer")" reused '… once'
ask GET "/status/$id"
etag=$(jq -r -R 'select(test("^etag:"; "i")) | .[6:] | rtrimstr("\r")' \
	"$to/head")
ask GET "/status/$id?wait=1&after=building" -H "If-None-Match: $etag"
ask GET "/log/$id?offset=0&timestamps=1"
ask GET '/deployments?limit=1'

# An end, and after it.
ask DELETE "/deployments/$id"
ask POST "/deployments/$id/redeploy"
ask POST "/deployments/$id/cancel"
ask POST "/deployments/$id/redeploy"
ask POST "/deployments/$id/redeploy" -d '{"env": {"A": "b"}}'
ask POST "/deployments/$id/redeploy" -d '{"colour": "red"}'
ask DELETE "/deployments/$id"
ask GET "/status/$id"
ask GET "/log/$id"
ask POST "/deployments/$id/redeploy"
deployed "$url"

# Everything that a record can hold, from the store's copy.
full=aaaaaaaaaa
mkdir -p "$T/store/deployments"
jq -c --arg id $full '.id = $id | .deleted = 1795500000000 | .expired = true | .state = "failed" | .dir = "web" |
	.owner = "alice" | .keep_ignored = true | .ignored = {count: 1,
	names: ["a"]} | .notes = ["n"] | .plan = {framework: "vite", name: "Vite", rule: "r",
	install: "i", build: "b", output: "o", outputs: ["o", "p"], spa: true,
	node: "22", node_source: "n", package_manager: "npm", image: "full", env: ["A"],
	immutable: ["x"], why: ["y"]} | .error = {code: "build_failed",
	message: "m", tail: "t"} | .stages[0] = {name: "fetch",
	state: "failed", started: 1, ended: 2}' <<<"$(api GET "/status/$id")" \
	>"$T/store/deployments/$full.json"
own "$T/store/deployments"
ask GET "/status/$full"

# A live one, which an alias may point at, and another.
live=liveliveaa
mkdir -p "$T/store/manifests"
for i in $live liveliveab; do
	echo '{}' >"$T/store/manifests/$i.json"
	rcli hset "davit:deployment:$i" id $i state deployed owner alice \
		url http://x.test/a created 1 updated 1 attempt 1 >/dev/null
done
own "$T/store/manifests"
ask_aliases
ask PUT /aliases/news -d "{\"id\": \"$live\"}"
ask PUT /aliases/news -d '{"id": "liveliveab"}'
ask GET /aliases

# --- what the client does wrong ---

ask PUT /aliases/blog -d '{"id": 7}'
ask PUT /aliases/blog -d '{"id": "zzzzzzzzzz"}'
ask PUT /aliases/blog -d "{\"id\": \"$full\"}"
ask GET /aliases/none
ask DELETE /aliases/none
ask POST /aliases -d x
ask POST /aliases/news -d x
ask_aliases -H 'X-Forwarded-For: 192.0.2.1'

post '{"url": 7}'
ask POST '/get/tar?colour=red' --data-binary "@$T/tmp/site.tar"
archive "$T/tmp/site/index.html"
ask GET /get/tar
post "{\"url\": \"$(printf 'a%.0s' {1..70000})\"}"
ask GET "/status/$id?after=nowhere"
ask GET "/log/$id?offset=x"
ask GET '/deployments?limit=0'
for path in /status/zzzzzzzzzz /log/zzzzzzzzzz; do
	ask GET "$path"
done
ask POST /deployments/zzzzzzzzzz/cancel
ask POST /deployments/zzzzzzzzzz/redeploy
ask DELETE /deployments/zzzzzzzzzz
for path in / /healthz "/status/$id" "/log/$id" /deployments; do
	ask DELETE "$path"
done
ask GET /get/url
ask GET "/deployments/$id/cancel"
ask GET "/deployments/$id/redeploy"
ask GET "/deployments/$id"
ask POST "/deployments/$full/cancel"
ask_all -H 'X-Forwarded-For: 192.0.2.1'

# --- git hosts ---

post "{\"url\": \"$URL/git/none.git\"}"
post "{\"url\": \"$url\", \"ref\": \"none\"}"
odd_host resets 'sysread $c, my $x, 4096; print $c "HTTP/1.1 500 No\r\n\r\n"'
post "{\"url\": \"$odd/a.git\"}"
odd_host silent 'sleep 60'
again_with 'source_bytes 1'
archive "$T/tmp/site.tar"
again_with 'fetch_time 1'
post "{\"url\": \"$odd/a.git\"}"
again_with 'allow_hosts 192.0.2.1'
post "{\"url\": \"$url\"}"

# --- parts that are away ---

again_with "scratch $T/store/no/such"
archive "$T/tmp/site.tar"
post "{\"url\": \"$url\"}"
again_with
echo nonsense >"$T/store/deployments/bbbbbbbbbb.json"
for request in 'GET /status/bbbbbbbbbb' 'GET /log/bbbbbbbbbb' \
	'POST /deployments/bbbbbbbbbb/cancel' \
	'POST /deployments/bbbbbbbbbb/redeploy' \
	'DELETE /deployments/bbbbbbbbbb'; do
	ask "${request% *}" "${request#* }"
done
echo nonsense >"$T/store/aliases/blog.json"
ask_aliases
chmod 0 "$T/store/aliases"
ask_aliases
chmod 755 "$T/store/aliases"
rm "$T/store/aliases/blog.json"
stop_redis
ask GET /healthz
ask_all
start_redis
ask POST "/deployments/$id/cancel"

# --- tokens ---

printf 'alice %s\n' "$(printf alpha | sha256sum | cut -c -64)" >"$T/tokens"
chmod 640 "$T/tokens"
own "$T/tokens"
again_with "tokens $T/tokens"
ask_all
ask_all -H 'Authorization: Bearer alpha'
ask_aliases
ask_aliases -H 'Authorization: Bearer alpha'

verdict() { # SPEC
	perl "$here/openapi.pl" "$1" "$T/tmp/answers" 2>&1
}

# A check that sees nothing wrong must not have missed it.
planted() { # JQ-EXPRESSION REGEX NAME
	jq "$1" "$spec" >"$T/tmp/planted.json"
	like "$(verdict "$T/tmp/planted.json")" "$2" "$3"
}
planted 'del(.components.schemas.Error.properties.hint)' \
	'not ok .*hint: not documented' 'a field that is not documented is seen'
planted 'del(.paths["/healthz"].get.responses["405"])' \
	'status 405 is not documented' 'and a status'
planted '.components.schemas.Id.pattern = "^x$"' 'not ok .*pattern' \
	'and a value that is not as documented'

while read -r line; do
	case $line in
	'ok '*) ok "${line#ok }" ;;
	*) not_ok "${line#not ok }" ;;
	esac
done < <(verdict "$spec")
done_testing
