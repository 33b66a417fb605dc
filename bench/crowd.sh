#!/bin/bash
# Eight builds at once, each within 1 GB, two of which want more: nothing but
# those two fails, and polls of /status are answered meanwhile as before.
# shellcheck disable=SC2016,SC2119

set -uo pipefail
# shellcheck source=bench.sh
. "$(dirname "$0")/bench.sh"
need_docker
need jq zstd docker redis-server apache2 perl
services_begin
write_conf 'warm no' "cache $T/cache" 'builds 8' 'build_memory 1G' \
	'build_disk 256M' 'image davit/builder:22'
mkdir -p "$T/store/output" "$T/cache" "$T/tmp/p"
cp -r "$top_srcdir"/examples/vite/. "$T/tmp/p"
rm -rf "$T/tmp/p/node_modules" "$T/tmp/p/dist"
tar -C "$T/tmp/p" -c . | zstd -q >"$T/tmp/source.zst"
own "$T/store" "$T/cache"

submit() { # ID FIELD VALUE…
	local id=$1
	shift
	cp "$T/tmp/source.zst" "$T/store/output/$id.tar.zst"
	own "$T/store/output/$id.tar.zst"
	rcli hset "davit:deployment:$id" id "$id" state queued attempt 1 \
		created 1 url "https://x.test/$id" "$@" >/dev/null
	rcli lpush build-queue "$id" >/dev/null
}

outcome() { # ID: "deployed", or the error's code
	rcli hmget "davit:deployment:$1" state error | tr '\n' ' '
}

all_over() {
	local id
	for id; do
		case $(rcli hget "davit:deployment:$id" state) in
		deployed | failed) ;;
		*) return 1 ;;
		esac
	done
}

# Polls meanwhile, as eight people who watch would make them.
polls() { # COMMAND…: sets $polled
	: >"$T/tmp/going"
	perl "$top_srcdir/bench/poll.pl" "$PORT" benchcr001 "$T/tmp/going" \
		>"$T/tmp/polls" &
	local poller=$!
	"$@"
	rm "$T/tmp/going"
	wait "$poller" || exit 1
	read -ra polled <"$T/tmp/polls"
}

hungry='node -e "const a = []; for (;;) a.push(Buffer.alloc(1 << 20, 1))"'
crowd() {
	local i ids=()
	for i in 1 2 3 4 5 6 7 8; do
		ids+=("benchcr00$i")
		case $i in
		3 | 6) submit "benchcr00$i" install '' build "$hungry" ;;
		*) submit "benchcr00$i" ;;
		esac
	done
	poll_until 300 all_over "${ids[@]}" || exit 1
	for i in 1 2 3 4 5 6 7 8; do
		say "benchcr00$i: $(outcome "benchcr00$i")"
		case $i-$(outcome "benchcr00$i") in
		[36]-'failed build_oom '* | [124578]-'deployed '*) ;;
		*) exit 1 ;;
		esac
	done
}

start_redis
start_apache
rcli hset davit:deployment:benchcr001 id benchcr001 state queued attempt 1 \
	created 1 url https://x.test/1 >/dev/null
polls sleep 3
idle=${polled[1]}
start_davitd
start=${EPOCHREALTIME/./}
polls crowd
say "${polled[0]} polls, the worst ${polled[2]} µs"
line 'status poll p99, 8 builds' "${polled[1]}" "$idle" µs 'the same, idle'
line 'the 8 builds, 2 too hungry' \
	"$(((${EPOCHREALTIME/./} - start) / 1000))" - ms -
