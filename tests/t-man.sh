#!/bin/bash
# The manual pages: no warning of mandoc's, every error code and every key of
# davit.conf described, and none that is not there.
: "${top_srcdir:=$(dirname "$0")/..}"
. "$top_srcdir/tests/tap.sh"

words=$(mandoc -T lint -W warning "$top_srcdir"/man/*.[0-9] 2>&1)
is "$words" "" "mandoc has nothing to say"

codes=$(sed -n 's/.*X(ERR_[A-Z_]*, "\([a-z_]*\)".*/\1/p' \
	"$top_srcdir/lib/err.h" | sort)
paged=$(sed -n 's/^\.It Er \([a-z_]*\).*/\1/p' \
	"$top_srcdir/man/davit-errors.7" | sort)
is "$paged" "$codes" "davit-errors.7 has the codes of lib/err.h"

keys=$(sed -n -e 's/^\t\(STRING\|NUMBER\|SIZE\)(\([a-z0-9_]*\),.*/\2/p' \
	-e 's/^\t{ "\([a-z0-9_]*\)", TYPE_.*/\1/p' "$top_srcdir/lib/conf.c" |
	sort)
paged=$(grep '^\.It Ic' "$top_srcdir/man/davit.conf.5" |
	grep -oE 'Ic [a-z0-9_]+' | cut -d' ' -f2 | sort -u)
is "$paged" "$keys" "davit.conf.5 has the keys of lib/conf.c"

done_testing
