#!/bin/bash
# check.sh - install what is missing, build with all warnings and sanitizers,
# run every test.  As root on Debian 12 or 13.
#
# The last line is "N passed, N failed, N skipped".  It fails when a test
# does, when a part is missing, and when nothing ran.

set -uo pipefail
source_dir=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/steps.sh
. "$source_dir/scripts/steps.sh"

dir=$source_dir/.check
log_dir=$dir/log
tests=$dir/build/tests
docker_socket=${DAVIT_DOCKER_SOCKET:-/var/run/docker.sock}
engine_dir=$dir/docker
# A socket's path ends at 107 bytes, and the engine has some down there.
[ ${#engine_dir} -le 70 ] || engine_dir=/var/lib/davit-check-docker
result='0 passed, 1 failed, 0 skipped'

leave() {
	stop_engine "$dir/engine"
	printf '%s\n' "$result"
}

compile() {
	build "$dir/build" --enable-werror --enable-sanitizers \
		--enable-crash-points
	make -j "$(nproc)" check TESTS=
	echo 'all programs and tests'
}

# Tests that fail are no failure of this step: they are counted.
run_tests() {
	local rc=0
	cd "$dir/build"
	find tests -name '*.trs' -delete
	export DAVIT_TESTS_NEED_ALL=1 DAVIT_DOCKER_SOCKET="$docker_socket"
	make -k -j 2 check || rc=$?
	echo "$rc" >"$dir/rc"
	echo "make check: status $rc"
}

# What a person needs of a failed test: its points, and the end of its log.
show_failures() {
	local trs log
	while read -r trs; do
		log=${trs%.trs}.log
		printf '\n%s%s%s\n' "$red" "$(basename "$log" .log)" "$plain"
		grep -E '^(not ok|Bail out|ERROR)' "$log" | head -n 20
		printf 'The end of %s:\n' "$log"
		tail -n 25 "$log" | sed 's/^/    /'
	done < <(grep -lE '^:test-result: (FAIL|ERROR|XPASS)' "$tests"/*.trs)
}

main() {
	need_root
	mkdir -p "$log_dir"
	trap leave EXIT
	step packages 'mend the apt sources in /etc/apt, then run this again' \
		install_packages "$docker_socket" build run image test
	step build "correct what the compiler says; or rm -r $dir/build" compile
	step docker 'start a Docker engine, or set DAVIT_DOCKER_SOCKET' \
		start_engine "$docker_socket" "$engine_dir" "$dir/engine"
	step network 'see that iptables works for root' \
		guard_network --docker "unix:$docker_socket"
	step image 'read its words above; they name the cure' \
		make_image "$docker_socket"
	step tests "read $log_dir/tests.log" run_tests
	show_failures
	result=$(cat "$tests"/*.trs | awk '/^:test-result: /{r[$2]++} END{
		printf "%d passed, %d failed, %d skipped\n",
		    r["PASS"], r["FAIL"]+r["ERROR"], r["SKIP"]}')
	[[ $(cat "$dir/rc") -eq 0 && $result == [1-9]*" 0 failed, "* ]]
}

main "$@"
