# store-suite.sh - tests/test_store on an S3 server, to be sourced after
# swift.sh.
#
#	s3_conf NAME DRIVER URL [LINE…]	$T/NAME.conf
#	run_suite NAME [PATTERN]	the suite's points, one by one, as ours
#	words NAME [PATTERN]		what the first error says
#	peak NAME VERB KEY BYTES	most KiB that it takes; put reads BYTES
#	streams_below NAME UP DOWN	200 MB take no more KiB than that

# shellcheck shell=bash

suite=${top_builddir:?}/tests/test_store
[ -x "$suite" ] || skip_all 'tests/test_store has not been built'

s3_conf() {
	local name=$1 store="$2 $3"
	shift 3
	write_conf "store $store" "store_keys $T/s3.keys" 's3_part 5M' "$@"
	mv "$T/davit.conf" "$T/$name.conf"
}

run_suite() {
	local out=$T/log/$1.suite line comments
	CMOCKA_MESSAGE_OUTPUT=TAP DAVIT_TEST_ONLY="${2:-*}" \
		DAVIT_TEST_STORE=$T/$1.conf "$suite" >"$out" 2>&1
	comments=$(grep '^#' "$out")
	while read -r line; do
		case $line in
		'ok '*) ok "$1: ${line#ok * - }" ;;
		'not ok '*) not_ok "$1: ${line#not ok * - }" "$comments" ;;
		esac
	done <"$out"
	grep -q '^1\.\.[1-9]' "$out" || not_ok "$1: runs" "$(tail "$out")"
}

words() {
	ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 DAVIT_TEST_STORE=$T/$1.conf \
		DAVIT_TEST_ONLY="${2:-*}" CMOCKA_MESSAGE_OUTPUT=STDOUT \
		"$suite" 2>&1 | grep -m 1 ERROR:
}

# Freed memory is given back: else a sanitizer keeps it, to catch late uses.
peak() {
	head -c "$4" /dev/zero |
		ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=0:thread_local_quarantine_size_kb=0 \
			"$top_builddir/tests/store_probe" "$T/$1.conf" "$2" "$3" \
			2>&1 >/dev/null | sed -n 's/.*rss_kib //p'
}

# Beyond what one byte takes.  An eighth more is for a sanitizer's shadow, and
# for libcurl.
streams_below() {
	local least up down
	least=$(peak "$1" put output/small 1)
	up=$(peak "$1" put output/large $((200 * 1024 * 1024)))
	down=$(peak "$1" get output/large 0)
	[ $((${up:-99999999} - ${least:-0})) -le $(($2 * 9 / 8)) ]
	is $? 0 "$1: 200 MB up take $2 KiB at most (from $least to $up)"
	[ $((${down:-99999999} - ${least:-0})) -le $(($3 * 9 / 8)) ]
	is $? 0 "$1: 200 MB down take $3 KiB at most (from $least to $down)"
}
