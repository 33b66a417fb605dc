#!/bin/bash
# Cancel in every state, with real builds in real containers.
# shellcheck disable=SC2119

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"

need jq curl git redis-server apache2
need_docker
services_begin
write_conf 'output_bytes 4G'
start_redis
start_apache

mkdir "$T/tmp/page"
echo '<h1>page</h1>' >"$T/tmp/page/index.html"
url=$(git_repo page "$T/tmp/page")

job() { # NAME VALUE…
	jq -cn '$ARGS.positional as $a | [range(0; $a | length; 2) |
		{($a[.]): $a[. + 1]}] | add' --args url "$url" output out "$@"
}
cancel() { # ID [CURL OPTION…]
	local id=$1
	shift
	api POST "/deployments/$id/cancel" "$@"
}
refuses() { # ID: the status, and the error's name
	cancel "$1" -w ' %{http_code}' | jq -rs '"\(.[1]) \(.[0].error)"'
}
stage() { # ID NAME: it runs
	[ "$(api GET "/status/$1" | jq -r --arg name "$2" \
		'.stages[] | select(.name == $name).state')" = running ]
}
says() { # ID WORD: in its log
	api GET "/log/$1" | grep -q "$2"
}
no_containers() {
	[ -z "$(containers)" ]
}
settled() { # ID
	[ -e "$T/store/deployments/$1.json" ]
}
# What is true of a canceled one, in whatever state it was.
canceled() { # ID WHERE
	local began=$EPOCHREALTIME
	is "$(cancel "$1" | jq -c '[.success, .id]')" "[true,\"$1\"]" \
		"$2: cancel is accepted"
	poll_until 20 no_containers
	is "$(containers)" '' "$2: its container is gone"
	diag "after $(((${EPOCHREALTIME/./} - ${began/./}) / 1000)) ms"
	is "$(wait_final "$1" 20)" canceled "$2: it is canceled"
	poll_until 10 settled "$1"
	is "$(jq -r '.state + " " + .error.code' \
		"$T/store/deployments/$1.json")" 'canceled canceled' \
		"$2: the store knows"
	is "$(find "$T/store/dist" "$T/store/manifests" -maxdepth 1 \
		-name "$1*")" '' "$2: nothing of it is to be seen"
	is "$(refuses "$1")" '409 conflict' "$2: it is not canceled twice"
}
keeps() { # ID WORD WHERE
	like "$(api GET "/log/$1")" "$2" "$3: its log is kept"
}

# --- waiting ---

id=$(deploy "$(job build 'mkdir out; cp *.html out')")
is "$(cancel "$id" | jq .canceled)" true 'queued: canceled at once'
is "$(state "$id")" canceled 'queued: its state says so'
start_davitd
next=$(deploy "$(job build 'mkdir out; cp *.html out')")
is "$(wait_final "$next" 90)" deployed 'queued: others go on'
is "$(api GET "/status/$id" | jq -r '.state, (.stages[] |
	select(.state == "running" or .state == "done").name)' | xargs)" \
	'canceled fetch' 'queued: it has never started'
is "$(refuses "$next")" '409 conflict' 'deployed: it is too late'
is "$(site "$next" /)" '<h1>page</h1>' 'deployed: it stays live'

# --- in a container ---

id=$(deploy "$(job install 'echo marker; sleep 300' build true)")
poll_until 60 says "$id" '^marker'
runs 'install: it runs' stage "$id" install
canceled "$id" install
keeps "$id" marker install

id=$(deploy "$(job build 'trap "" TERM INT HUP; echo marker; sleep 300')")
poll_until 60 says "$id" '^marker'
runs 'build: it runs' stage "$id" build
canceled "$id" build
keeps "$id" marker build

# It takes a while to take so much from the container.
id=$(deploy "$(job build 'echo marker; mkdir out; cp *.html out
	for i in 1 2 3 4 5; do truncate -s 300M out/$i.bin; done')")
poll_until 60 stage "$id" publish
runs 'publish: it runs' stage "$id" publish
canceled "$id" publish
keeps "$id" marker publish
is "$(find "$T/store/tmp" -type f)" '' 'publish: no part of it is left'

# --- what is not there ---

is "$(refuses 0000000000)" '404 not_found' 'unknown: there is nothing to cancel'

done_testing
