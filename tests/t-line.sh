#!/bin/bash
# The whole line, all of it real: a URL goes in, a site comes out.
# shellcheck disable=SC2119

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"

need jq curl git redis-server apache2
need_docker
services_begin
write_conf
start_redis
start_apache
start_davitd

field() { # ID JQ-EXPRESSION
	api GET "/status/$1" | jq -r "$2"
}

# Where a test fails, the reader wants the record.
ends() { # ID WANTED SECONDS NAME
	local got
	got=$(wait_final "$1" "$3")
	is "$got" "$2" "$4"
	[ "$got" = "$2" ] || diag "$(api GET "/status/$1")" \
		"$(api GET "/log/$1" | tail -n 20)"
}

# A repository of one page, and what else is given as NAME=CONTENTS.
page_repo() { # NAME [FILE=CONTENTS…]
	local name=$1 dir=$T/tmp/$1 file
	shift
	mkdir -p "$dir"
	echo "<h1>$name</h1>" >"$dir/index.html"
	for file; do
		printf '%s\n' "${file#*=}" >"$dir/${file%%=*}"
	done
	git_repo "$name" "$dir"
}

json() { # NAME VALUE…: an object of strings
	jq -cn '$ARGS.positional as $a | [range(0; $a | length; 2) |
		{($a[.]): $a[. + 1]}] | add' --args "$@"
}

# --- a site that is built ---

url=$(git_repo vite "$top_srcdir/examples/vite" 'A Vite site')
id=$(deploy "$url")
like "$id" '^[a-z0-9]{10}$' 'the example is accepted'
ends "$id" deployed 180 'the example is deployed'
is "$(field "$id" .commit.subject)" 'A Vite site' 'its record names the commit'
is "$(field "$id" '[.stages[].name] | join(" ")')" \
	'fetch queue prepare install build publish' 'its stages are all there'
is "$(field "$id" '[.stages[] | select(.ended < .started)] | length')" 0 \
	'every stage ends after it starts'
is "$(field "$id" .site)" "http://$id.davit.test:$PORT/" 'its site has a URL'

log_complete() { # ID
	api GET "/log/$1" -o /dev/null -D - | tr -d '\r' |
		grep -qi '^x-log-complete: 1$'
}
runs 'its log is complete' poll_until 10 log_complete "$id"
like "$(api GET "/log/$id")" 'vite.*build' 'its log tells of the build'
is "$(api GET "/log/$id" | wc -c)" "$(field "$id" .log.bytes)" \
	'its log is as long as the record says'

same() { # ID PATH FILE: the server gives the very bytes of the store's file
	site "$1" "$2" -o "$T/tmp/got" &&
		cmp "$T/tmp/got" "$T/store/dist/$1/$3"
}
runs 'its front page is the one in the store' same "$id" / index.html
asset=$(cd "$T/store/dist/$id" && find assets -name '*.js' | head -n 1)
like "$asset" '\.js$' 'there is a script'
runs 'its script is the one in the store' same "$id" "/$asset" "$asset"
like "$(site "$id" "/$asset" -o /dev/null -D -)" \
	'200 OK.*[Tt]ype: (text|application)/javascript' '… and served as one'
is "$(site "$id" /none/such.js -o /dev/null -w '%{http_code}')" 404 \
	'a file that is not there is not found'

# --- a site that is not built ---

pointer="version https://git-lfs.github.com/spec/v1
oid sha256:$(printf 0%.0s {1..64})
size 5"
plain=$(page_repo plain 'style.css=h1 { color: green }' '.gitignore=draft' \
	draft=no '.gitattributes=film filter=lfs' "film=$pointer")
id=$(deploy "$plain")
ends "$id" deployed 60 'plain HTML is deployed as it is'
is "$(site "$id" /)" '<h1>plain</h1>' '… and served'
is "$(site "$id" /style.css)" 'h1 { color: green }' '… with its style'
log=$(api GET "/log/$id")
like "$log" 'note: .*1 files that stay pointers' 'its log has the notes'
like "$log" 'note: 1 committed files match .gitignore.*draft' \
	'… and what was left out'

# --- sites that cannot be ---

build() { # URL COMMAND: the job, its output in "out"
	json url "$1" build "$2" output out
}
id=$(deploy "$(build "$plain" 'echo doomed; exit 3')")
ends "$id" failed 60 'a build that fails is a failed deployment'
is "$(field "$id" .error.code)" build_failed '… by its own name'
like "$(field "$id" .error.hint)" '[a-z]' '… with a hint'
like "$(field "$id" .error.tail)" doomed '… and the last words'
is "$(site "$id" / -o /dev/null -w '%{http_code}')" 404 '… and without a site'

id=$(deploy "$(page_repo nextjs 'package.json={
	"dependencies": { "next": "14.0.0" },
	"scripts": { "build": "next build" } }')")
ends "$id" failed 60 'a framework that needs a server fails'
is "$(field "$id" .error.code)" server_framework '… by its own name'

is "$(deploy "$URL/git/none.git" 2>&1 | sed 's/^[^:]*: //' |
	grep -o '"error": *"[a-z_]*"' | tr -d ' ')" \
	'"error":"repository_not_found"' 'no repository, no deployment'

# --- twenty in a row leave nothing behind ---

volumes() {
	docker_api GET /volumes -G \
		--data-urlencode 'filters={"dangling":["true"]}' |
		jq -r '.Volumes[]?.Name' | sort
}
volumes >"$T/run/volumes"
good=() bad=()
for i in {1..20}; do
	if ((i % 4 == 0)); then
		bad+=("$(deploy "$(build "$plain" "exit $i")")")
	elif ((i % 4 == 1)); then
		good+=("$(deploy "$(build "$plain" \
			'mkdir out && cp index.html out')")")
	else
		good+=("$(deploy "$plain")")
	fi
done
is "${#good[@]} ${#bad[@]}" '15 5' 'twenty are accepted'
are() { # STATE ID…
	local state=$1 id
	shift
	for id; do
		[ "$(wait_final "$id" 120)" = "$state" ] ||
			api GET "/status/$id"
	done
}
is "$(are deployed "${good[@]}")" '' 'fifteen are deployed'
is "$(are failed "${bad[@]}")" '' 'five fail'

settled() {
	[ "$(rcli scard davit:settling)" = 0 ]
}
runs 'records and logs go to the store' poll_until 10 settled
is "$(for id in "${good[@]}" "${bad[@]}"; do
	jq -r .id "$T/store/deployments/$id.json"
	[ -e "$T/store/logs/$id.txt" ] || echo "no log of $id"
done | sort | xargs)" "$(printf '%s\n' "${good[@]}" "${bad[@]}" |
	sort | xargs)" 'all have theirs there'

no_containers() {
	[ -z "$(containers)" ]
}
runs 'no container is left' poll_until 10 no_containers
no_children() {
	! leftovers | grep -E 'davit-(build|fetch)'
}
runs 'no process is left' poll_until 10 no_children
is "$(volumes | comm -13 "$T/run/volumes" -)" '' 'no volume is left'
is "$(find "$T/scratch" "$T/store/tmp" -mindepth 1 2>/dev/null)" '' \
	'no temporary file is left'
is "$(find "$T/store" -type f -printf '%P\n' | grep -vE \
	'^(output/[a-z0-9]{10}\.tar\.zst|dist/[a-z0-9]{10}/.*|(manifests|deployments)/[a-z0-9]{10}\.json|logs/[a-z0-9]{10}\.(txt|times))$')" \
	'' 'the store holds what is documented'
is "$(rcli --scan | grep -vxE \
	"davit:(deployment:[a-z0-9]{10}|deployments|workers|lease:$worker|check|filled|pushed|source:[0-9a-f]{64})")" \
	'' 'and so does Redis'

# --- Docker is away ---

stop_davitd
write_conf "docker unix:$T/docker.sock"
start_davitd
id=$(deploy "$(build "$plain" 'mkdir out && cp index.html out')")
poll_until 4 is_final "$id"
# It is tried now and then.
is_queued() {
	[ "$(state "$id")" = queued ]
}
runs 'without Docker a deployment stays queued' poll_until 5 is_queued
ln -s "$(realpath "$docker_socket")" "$T/docker.sock"
ends "$id" deployed 90 '… and is deployed when Docker is back'
is "$(field "$id" .attempt)" 1 '… as the same attempt'
is "$(site "$id" /)" '<h1>plain</h1>' '… and served'

done_testing
