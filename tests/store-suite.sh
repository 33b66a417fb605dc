# store-suite.sh - tests/test_store on an S3 server, to be sourced after
# swift.sh.
#
#	s3_conf NAME DRIVER URL [LINE…]	$T/NAME.conf
#	run_suite NAME [PATTERN]	the suite's points, one by one, as ours
#	words NAME [PATTERN]		what the first error says

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
