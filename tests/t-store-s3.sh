#!/bin/bash
# The suite of store drivers on S3: OpenStack Swift, which checks what it is
# sent; and what a person is told when the configuration does not fit it.
# shellcheck disable=SC2094

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"
# shellcheck source=swift.sh
. "$here/swift.sh"

suite=${top_builddir:?}/tests/test_store
[ -x "$suite" ] || skip_all 'tests/test_store has not been built'

s3_conf() { # NAME STORE [LINE…]: $T/NAME.conf
	local name=$1 store=$2
	shift 2
	write_conf "store s3 $store" "store_keys $T/s3.keys" 's3_part 5M' "$@"
	mv "$T/davit.conf" "$T/$name.conf"
}

# The suite's points, one by one, as ours.
run_suite() { # NAME [PATTERN]
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

# What the first operation says.
words() { # NAME
	ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 DAVIT_TEST_STORE=$T/$1.conf \
		CMOCKA_MESSAGE_OUTPUT=STDOUT "$suite" 2>&1 | grep -m 1 ERROR:
}

services_begin
start_swift
s3_conf path "$S3_URL/davit-path"
run_suite path
s3_conf virtual "$S3_VIRTUAL_URL/davit-virtual" 's3_style virtual'
run_suite virtual 'awkward*'
run_suite virtual 'deleting*'

start_tls
s3_conf tls "$S3_TLS_URL/davit-tls" "store_ca $T/ca.pem"
run_suite tls 'awkward*'
run_suite tls 'writers*'
s3_conf untrusted "$S3_TLS_URL/davit-tls"
like "$(words untrusted)" 'certificate is not trusted.*store_ca' \
	'an unknown certificate is refused'
s3_conf other "${S3_TLS_URL/localhost/127.0.0.1}/davit-tls" \
	"store_ca $T/ca.pem"
like "$(words other)" 'certificate is not trusted' \
	'… and so is one of another name'
stop tls

(umask 077 && printf 'test:tester\nwrong\n' >"$T/wrong.keys")
(umask 077 && printf 'nobody\ntesting\n' >"$T/nobody.keys")
s3_conf secret "$S3_URL/davit-path" "store_keys $T/wrong.keys"
like "$(words secret)" 'SignatureDoesNotMatch.*second line of store_keys' \
	'a wrong secret is told, with its cure'
s3_conf key "$S3_URL/davit-path" "store_keys $T/nobody.keys"
like "$(words key)" '(InvalidAccessKeyId|AccessDenied|SignatureDoes).*store_keys' \
	'a wrong access key is told, with its cure'
s3_conf region "$S3_URL/davit-path" 's3_region eu-west-9'
like "$(words region)" 'AuthorizationHeaderMalformed.*s3_region.*us-east-1' \
	'a wrong region is told, with the right one'

stop_swift
s3_conf dead "$S3_URL/davit-path"
start=${EPOCHREALTIME/./}
like "$(words dead)" '127\.0\.0\.1.*refused|[Cc]onnect' 'a dead host is told'
[ $((${EPOCHREALTIME/./} - start)) -lt 30000000 ]
is $? 0 '… in less than half a minute'

done_testing
