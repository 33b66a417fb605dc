#!/bin/bash
# The driver compiles with libs3 4 as well.  No Debian has it: its header is
# made from that of 2.0, by the differences that touch us.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
: "${top_srcdir:=$here/..}" "${top_builddir:=$top_srcdir}"
header=$(echo '#include <libs3.h>' | ${CC:-cc} -E - 2>/dev/null |
	sed -n 's/^# [0-9]* "\(.*libs3\.h\)".*/\1/p' | head -n 1)

grep -q '^#define HAVE_LIBS3 1' "$top_builddir/config.h" ||
	skip_all 'configured without libs3'
[ -r "$header" ] || skip_all 'no libs3.h'
T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
mkdir "$T/4"
perl -0pe '
	s/(#define S3_INIT_ALL)/#define S3_INIT_VERIFY_PEER 2\n$1/;
	s/(\n\} S3BucketContext;)/\n const char *securityToken;\n const char *authRegion;$1/;
	s/(\n\} S3PutProperties;)/\n char useServerSideEncryption;$1/;
	s/(\n\} S3ResponseProperties;)/\n char usesServerSideEncryption;$1/;
	s/(void S3_(?:list_bucket|(?:put|copy|get|head|delete)_object)\b[^;]*?)(const S3\w+Handler)/$1int timeoutMs, $2/g;
' "$header" >"$T/4/libs3.h"

compiles() { # DIRECTORY [FLAG…]
	local dir=$1
	shift
	${CC:-cc} -std=gnu11 -D_GNU_SOURCE -Wall -Werror -fsyntax-only \
		-include "$top_builddir/config.h" -iquote "$top_srcdir" "$@" \
		-I"$dir" "$top_srcdir/lib/libs3_call.c"
}

is "$(grep -c 'timeoutMs' "$T/4/libs3.h")" 6 'six calls take a time-out'
runs 'the driver compiles with libs3 4' compiles "$T/4"
runs '… and with 2.0' compiles "$(dirname "$header")"
like "$(compiles "$T/4" -DNO_TIMEOUT= 2>&1)" 'too few arguments|redefined' \
	'… and the header of 4 is another one'

done_testing
