#!/bin/bash
# Two workers, one Redis, one store.  One falls asleep in the middle of its
# work for longer than its lease: exactly one publishes.
# shellcheck disable=SC2119

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"

need jq curl git redis-server apache2
need_docker
services_begin
write_conf "worker $worker-next"
cp "$T/davit.conf" "$T/next.conf"
write_conf
start_redis
start_apache

mkdir "$T/tmp/page"
echo '<h1>page</h1>' >"$T/tmp/page/index.html"
url=$(git_repo page "$T/tmp/page")
# No two builds make the same.
job=$(jq -cn --arg url "$url" --arg build 'mkdir out
	cp /proc/sys/kernel/random/uuid out/index.html
	for i in 1 2 3; do truncate -s 10M out/$i.bin; done
	echo marker; sleep 6' '{url: $url, build: $build, output: "out"}')

says() { # ID WORD
	api GET "/log/$1" | grep -q "$2"
}
first_worker() { # SIGNAL: to davitd and its builds
	kill "-$1" "${pid_of[davitd]}" $(leftovers | grep 'davit-build' |
		cut -d ' ' -f 1)
}
next_lives() {
	[ -n "$(rcli get "davit:lease:$worker-next")" ]
}
notices() { # ID
	grep -qE "$1.*(in another hand|another attempt|is deployed)" \
		"$T/log/davitd"
}
intact() { # ID: what is there is what the manifest says
	jq -r '.files | to_entries[] | .value.sha256 + "  " + .key' \
		"$T/store/manifests/$1.json" >"$T/tmp/sums" &&
		(cd "$T/store/dist/$1" && sha256sum --quiet -c "$T/tmp/sums" &&
			[ "$(find . -type f | wc -l)" = 4 ])
}

asleep() { # ID
	is "$(wait_final "$1" 120)" deployed 'another worker takes over'
	is "$(api GET "/status/$1" | jq .attempt)" 2 '… as the next attempt'
	cp "$T/store/manifests/$1.json" "$T/tmp/manifest"
	first_worker CONT
	poll_until 60 notices "$1"
	ok '… and the first notices when it wakes up'
	poll_until 30 none_of_the_first
	is "$(containers)" '' '… and removes its container'
	runs '… and has changed nothing' cmp "$T/tmp/manifest" \
		"$T/store/manifests/$1.json"
	runs '… of the files either' intact "$1"
	is "$(state "$1")" deployed '… nor the state'
	is "$(find "$T/store/tmp" -mindepth 1)" '' '… and nothing is left'
}
none_of_the_first() {
	[ -z "$(containers)" ] && ! leftovers | grep -q davit-build
}

start_davitd
id=$(deploy "$job")
poll_until 60 says "$id" '^marker'
first_worker STOP
like "$(state "$id")" '^(build|publish)ing$' 'one worker falls asleep at work'
start next "$T/libexec/davitd" -c "$T/next.conf"
must_start next next_lives
asleep "$id"

done_testing
