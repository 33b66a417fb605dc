#!/bin/bash
# Each fuzz target on each of its seeds, with or without libFuzzer: what was
# once found stays mended.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
: "${top_builddir:=$here/..}"

for source in "$here"/fuzz_*.c; do
	name=$(basename "$source" .c)
	name=${name#fuzz_}
	[ "$name" != main ] || continue
	mapfile -t seeds < <(find "$here/seeds/$name" -type f | sort)
	if [ ${#seeds[@]} -eq 0 ]; then
		not_ok "$name has seeds"
		continue
	fi
	runs "$name takes its ${#seeds[@]} seeds" \
		"$top_builddir/tests/fuzz_$name" "${seeds[@]}"
done
done_testing
