#!/bin/bash
# Two workers, one Redis, one store.  One falls asleep in the middle of its
# work for longer than its lease, or is cut off from Redis: exactly one
# publishes.
# shellcheck disable=SC2119

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"
# shellcheck source=networks.sh
. "$here/networks.sh"

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
	local builds

	mapfile -t builds < <(leftovers | grep 'davit-build' | cut -d ' ' -f 1)
	kill "-$1" "${pid_of[davitd]}" "${builds[@]}"
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

takes_over() { # ID COMMAND…: how the first one comes back
	local id=$1
	shift
	set -- "$id" "$@"
	is "$(wait_final "$1" 120)" deployed 'another worker takes over'
	is "$(api GET "/status/$1" | jq .attempt)" 2 '… as the next attempt'
	cp "$T/store/manifests/$1.json" "$T/tmp/manifest"
	"${@:2}"
	poll_until 60 notices "$1"
	ok '… and the first notices when it is back'
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
takes_over "$id" first_worker CONT
stop next
stop_davitd

# --- cut off ---

start_in() { # HOST NAME [CONF-LINE…]: davitd on a network of its own
	write_conf "redis $bridge_ip:$PORT" "${@:3}"
	mv "$T/davit.conf" "$T/$1.conf"
	own "$T/$1.conf"
	on_network "$1" start "$2" "$T/libexec/davitd" -c "$T/$1.conf"
	write_conf
}
if ! can_have_networks; then
	diag 'only root, with iproute2, may make networks: not tried'
	done_testing
	exit
fi
begin_networks && make_network a 2 && make_network b 3
is $? 0 'two networks'
rcli config set protected-mode no >/dev/null
rcli config set bind "$bridge_ip" >/dev/null
is "$(rcli config set port "$PORT")" OK '… and Redis on their bridge'
start_in a davitd
must_start davitd davitd_lives
id=$(deploy "$job")
poll_until 60 says "$id" '^marker'
cut_network a
start_in b next "worker $worker-next"
must_start next next_lives
like "$(state "$id")" '^(build|publish)ing$' 'one worker is cut off at work'
takes_over "$id" mend_network a

done_testing
