#!/bin/bash
# What is resident: one of each responder, davitd, and four builds under way.
# "in all" counts a page that several of them share once (Pss, less what other
# programs share of it).
# shellcheck disable=SC2016,SC2119

# shellcheck source=bench.sh
. "$(dirname "$0")/bench.sh"

pids_of_program() { # PROGRAM
	local exe
	for exe in /proc/[0-9]*/exe; do
		[ "$(readlink "$exe")" != "$T/libexec/$1" ] ||
			basename "${exe%/exe}"
	done 2>/dev/null
}

sum() { # FIELD PROGRAM…: KiB
	local field=$1 program pid
	shift
	for program; do
		for pid in $(pids_of_program "$program"); do
			cat "/proc/$pid/smaps_rollup" 2>/dev/null
		done
	done | awk -v field="$field:" '$1 == field { n += $2 }
		END { print n + 0 }'
}

building() { # ID…
	local id
	for id; do
		[ "$(state "$id")" = building ] || return 1
	done
}

need_docker
services_begin
write_conf 'builds 4'
start_redis
start_apache
start_davitd
mkdir "$T/tmp/plain" "$T/tmp/slow"
make_files "$T/tmp/plain" 5
id=$(deploy "$(git_repo plain "$T/tmp/plain")") || exit 1
wait_final "$id" 60 >/dev/null
site "$id" / >/dev/null
printf '{"scripts": {"build": "sleep 300"}}\n' >"$T/tmp/slow/package.json"
slow=$(git_repo slow "$T/tmp/slow")
ids=()
for _ in 1 2 3 4; do
	ids+=("$(deploy "$slow")") || exit 1
done
poll_until 120 building "${ids[@]}" || {
	say 'the four builds did not start'
	exit 1
}
all=(submit.fcgi api.fcgi site.fcgi davitd davit-build)
for program in "${all[@]}"; do
	n=$(pids_of_program "$program" | wc -l)
	line "resident, $n × $program" "$(sum Rss "$program")" - KiB -
done
line 'resident, in all' "$(sum Pss "${all[@]}")" - KiB -
for id in "${ids[@]}"; do
	api POST "/deployments/$id/cancel" >/dev/null
	wait_final "$id" 60 >/dev/null
done
