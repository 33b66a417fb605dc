#!/bin/bash
# What a submission, a place in the queue and a take cost, with 10,000 ids
# waiting beside 10.
# shellcheck disable=SC2016,SC2119

# shellcheck source=bench.sh
. "$(dirname "$0")/bench.sh"

# Medians of the three by name.
probe() { # WAITING
	rcli flushall >/dev/null
	"$top_builddir/bench/queue_probe" "$1" 300
}

services_begin
write_conf
start_redis
rcli config set appendfsync no >/dev/null
redis="Redis $(redis-server --version | grep -o 'v=[0-9.]*' | cut -c 3-)"
declare -A few=() many=()
for ((round = 0; round < rounds; round++)); do
	while read -r name us; do few[$name]+="$us "; done < <(probe 10)
	while read -r name us; do many[$name]+="$us "; done < <(probe 10000)
done
for name in submit position take; do
	# shellcheck disable=SC2086
	line "queue: $name, 10,000 waiting" "$(median ${many[$name]})" \
		"$(median ${few[$name]})" µs "the same, 10 waiting; $redis"
done
