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
# shellcheck source=store-suite.sh
. "$here/store-suite.sh"

services_begin
start_swift
s3_conf path s3 "$S3_URL/davit-path"
run_suite path
s3_conf virtual s3 "$S3_VIRTUAL_URL/davit-virtual" 's3_style virtual'
run_suite virtual 'awkward*'
run_suite virtual 'deleting*'

# Three parts of an upload; of a download, one piece read and one to come.
s3_conf memory s3 "$S3_URL/davit-path" 's3_part 8M'
streams_below memory $((3 * 8192)) $((3 * 8192))

start_tls
s3_conf tls s3 "$S3_TLS_URL/davit-tls" "store_ca $T/ca.pem"
run_suite tls 'awkward*'
run_suite tls 'writers*'
s3_conf untrusted s3 "$S3_TLS_URL/davit-tls"
like "$(words untrusted)" 'certificate is not trusted.*store_ca' \
	'an unknown certificate is refused'
s3_conf other s3 "${S3_TLS_URL/localhost/127.0.0.1}/davit-tls" \
	"store_ca $T/ca.pem"
like "$(words other)" 'certificate is not trusted' \
	'… and so is one of another name'
stop tls

(umask 077 && printf 'test:tester\nwrong\n' >"$T/wrong.keys")
(umask 077 && printf 'nobody\ntesting\n' >"$T/nobody.keys")
s3_conf secret s3 "$S3_URL/davit-path" "store_keys $T/wrong.keys"
like "$(words secret)" 'SignatureDoesNotMatch.*second line of store_keys' \
	'a wrong secret is told, with its cure'
s3_conf key s3 "$S3_URL/davit-path" "store_keys $T/nobody.keys"
like "$(words key)" '(InvalidAccessKeyId|AccessDenied|SignatureDoes).*store_keys' \
	'a wrong access key is told, with its cure'
s3_conf region s3 "$S3_URL/davit-path" 's3_region eu-west-9'
like "$(words region)" 'AuthorizationHeaderMalformed.*s3_region.*us-east-1' \
	'a wrong region is told, with the right one'

stop_swift
s3_conf dead s3 "$S3_URL/davit-path"
start=${EPOCHREALTIME/./}
like "$(words dead)" '127\.0\.0\.1.*refused|[Cc]onnect' 'a dead host is told'
[ $((${EPOCHREALTIME/./} - start)) -lt 30000000 ]
is $? 0 '… in less than half a minute'

done_testing
