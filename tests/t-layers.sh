#!/bin/bash
# The house's order: who includes what, as tests/layers says.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
top=${top_srcdir:-$here/..}

# Print "file: include: why" for every include that breaks the rules.
broken() { # TREE
	(cd "$1" && grep -nE '^[[:space:]]*#[[:space:]]*include' \
		lib/*.[ch] fcgi/*.[ch] worker/*.[ch] 2>/dev/null) |
		awk -v layers="$here/layers" '
	function rules(	line, f, n, i) {
		while ((getline line < layers) > 0) {
			sub(/#.*/, "", line)
			n = split(line, f, /[[:space:]]+/)
			if (n < 2 || f[1] == "")
				continue
			known[f[1]]++
			for (i = 2; i <= n; i++)
				if (f[2] == "may" && i > 2)
					may[f[1], f[i]] = 1
				else if (f[i] ~ /^</)
					room[f[i]] = room[f[i]] f[1] ".c "
		}
	}
	# A room is its file and the parts of it: lib/x.c, lib/x_part.c.
	function inside(base, rooms,	whole) {
		whole = base
		sub(/_[a-z0-9]*$/, "", whole)
		return index(" " rooms, " " base ".c ") > 0 ||
		    index(" " rooms, " " whole ".c ") > 0
	}
	BEGIN { rules() }
	{
		split($0, part, ":")
		file = part[1]
		what = $0
		sub(/^[^:]*:[^:]*:[[:space:]]*#[[:space:]]*include[[:space:]]*/,
		    "", what)
		dir = file
		sub(/\/.*/, "", dir)
		base = file
		sub(/\.[ch]$/, "", base)
		if (what ~ /^"/) {
			split(substr(what, 2), path, /[\/"]/)
			to = path[1]
			if (what !~ /^"[a-z]+\// && what !~ /^"config.h"/)
				print file ": " what ": not by its folder"
			else if (to in known && to != dir && !((dir, to) in may))
				print file ": " what ": " dir " may not"
		} else
			for (h in room)
				if (index(what, h) == 1 &&
				    !inside(base, room[h]))
					print file ": " what ": only " room[h]
	}'
}

is "$(broken "$top")" "" "every include goes downwards, and into its own room"

# The same check sees what is planted for it.
copy=$(mktemp -d) || exit 1
trap 'rm -rf "$copy"' EXIT
for dir in lib fcgi worker; do
	mkdir "$copy/$dir"
	cp "$top/$dir"/*.[ch] "$copy/$dir" 2>/dev/null
	: >"$copy/$dir/none.h"
done
plant() { # FILE INCLUDE WHY NAME
	local all
	printf '#include %s\n' "$2" >"$copy/$1"
	all=$(broken "$copy")
	rm "$copy/$1"
	is "${all% }" "$1: $2: $3" "$4"
}
plant lib/planted.c '"fcgi/reply.h"' 'lib may not' 'lib includes no fcgi'
plant fcgi/planted.c '"worker/plan.h"' 'fcgi may not' 'fcgi includes no worker'
plant worker/planted.h '"fcgi/reply.h"' 'worker may not' \
	'worker includes no fcgi'
plant worker/planted.c '<hiredis/hiredis.h>' 'only lib/resp.c' \
	'hiredis has one room'
plant lib/planted.c '<git2.h>' 'only lib/source.c' 'libgit2 has one room'
plant lib/planted.c '<git2/sys/x.h>' 'only lib/source.c' \
	'and so have its parts'
plant fcgi/planted.c '<fcgiapp.h>' 'only fcgi/responder.c' \
	'fcgiapp.h has one room'
plant fcgi/planted.c '"reply.h"' 'not by its folder' \
	'headers are named with their folder'

done_testing
