#!/bin/bash
# The suite of store drivers on S3 by libs3, which is linked hardened: Swift
# checks our signature, and what libs3 alone gets wrong comes out right.  With
# DAVIT_TEST_FULL the streams and lists are as long as those of t-store-s3.sh.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"
# shellcheck source=swift.sh
. "$here/swift.sh"
# shellcheck source=store-suite.sh
. "$here/store-suite.sh"

grep -q '^#define HAVE_LIBS3 1' "${top_builddir:?}/config.h" ||
	skip_all 'configured without libs3'

services_begin
start_swift
[ -n "${DAVIT_TEST_FULL:-}" ] || export DAVIT_TEST_LIGHT=1
s3_conf path libs3 "$S3_URL/davit-path"
run_suite path
s3_conf virtual libs3 "$S3_VIRTUAL_URL/davit-virtual" 's3_style virtual'
run_suite virtual 'awkward*'
s3_conf v2 libs3 "$S3_URL/davit-path" 's3_signature v2'
run_suite v2 'awkward*'
run_suite v2 'deleting*'

# What goes up is in a file without a name, and one piece comes down.
s3_conf memory libs3 "$S3_URL/davit-path"
streams_below memory 2048 $((2 * 8192))

start_tls
s3_conf tls libs3 "$S3_TLS_URL/davit-path" "store_ca $T/ca.pem"
run_suite tls 'writers*'
s3_conf untrusted libs3 "$S3_TLS_URL/davit-path"
like "$(words untrusted)" 'certificate is not trusted.*store_ca' \
	'an unknown certificate is refused'
s3_conf other libs3 "${S3_TLS_URL/localhost/127.0.0.1}/davit-path" \
	"store_ca $T/ca.pem"
like "$(words other)" 'certificate is not trusted' \
	'… and so is one of another name'
stop tls

(umask 077 && printf 'test:tester\nwrong\n' >"$T/wrong.keys")
for signature in v2 v4; do
	s3_conf secret libs3 "$S3_URL/davit-path" \
		"store_keys $T/wrong.keys" "s3_signature $signature"
	like "$(words secret)" \
		'SignatureDoesNotMatch.*second line of store_keys' \
		"a wrong secret is told, with its cure, by $signature"
done
s3_conf region libs3 "$S3_URL/davit-path" 's3_region eu-west-9'
like "$(words region)" 'AuthorizationHeaderMalformed.*s3_region.*us-east-1' \
	'a wrong region is told, with the right one'
s3_conf full libs3 "$S3_URL/davit-path" "scratch $T/none"
like "$(words full 'streams*')" "scratch: .*$T/none" \
	'a scratch directory that is not there is told'

done_testing
