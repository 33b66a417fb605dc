#!/bin/bash
# Submodules: fetched along, within bounds, or left out with a note.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"

need jq curl git apache2
services_begin
write_conf
start_apache
export DAVIT_ALLOW_HOSTS=127.0.0.1
export HOME=$T/tmp GIT_CONFIG_NOSYSTEM=1 \
	GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@davit.test \
	GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@davit.test
git config --global --add safe.directory '*'

# A bare repository of FILE=CONTENTS, and PATH@COMMIT for a gitlink; prints
# its commit.
repo() { # NAME ENTRY…
	local name=$1 dir=$T/git/$1.git entry tree
	shift
	git init -q --bare -b main "$dir"
	export GIT_INDEX_FILE=$T/tmp/index
	rm -f "$GIT_INDEX_FILE"
	for entry; do
		case $entry in
		*=*) git -C "$dir" update-index --add --cacheinfo "100644,$(
			printf '%b' "${entry#*=}" |
				git -C "$dir" hash-object -w --stdin
		),${entry%%=*}" ;;
		*) git -C "$dir" update-index --add --cacheinfo \
			"160000,${entry#*@},${entry%@*}" ;;
		esac
	done
	tree=$(git -C "$dir" write-tree)
	git -C "$dir" update-ref refs/heads/main \
		"$(git -C "$dir" commit-tree -m "$name" "$tree")"
	git -C "$dir" rev-parse main
	own "$dir"
}

module() { # PATH URL
	printf '[submodule "%s"]\\n\\tpath = %s\\n\\turl = %s\\n' "$1" "$1" "$2"
}

fetch() { # NAME [OPTION…]: $error, $names, $notes
	"$T/libexec/davit-fetch" "${@:2}" "$URL/git/$1.git" 3>"$T/result" \
		>"$T/out.tar" 2>>"$T/log/fetch"
	error=$(jq -rs '.[-1].error // "none"' "$T/result")
	names=$(tar -tf "$T/out.tar" 2>/dev/null | paste -sd ' ')
	notes=$(jq -rs '.[0].notes // [] | .[]' "$T/result")
}

leaf=$(repo leaf 'leaf.txt=leaf' '.gitignore=*.log\n' 'a.log=x')
middle=$(repo middle 'middle.txt=m' "in/leaf@$leaf" \
	".gitmodules=$(module in/leaf ../leaf.git)")
repo top "index.html=top" "lib/middle@$middle" "absolute@$leaf" \
	'.gitignore=*.txt\n' ".gitmodules=$(module lib/middle ../middle.git
	)$(module absolute "$URL/git/leaf.git")" >/dev/null
fetch top
is "$error $notes" 'none ' 'submodules are fetched along'
is "$names" ".gitignore .gitmodules absolute/ absolute/.gitignore absolute/leaf.txt index.html lib/ lib/middle/ lib/middle/.gitmodules lib/middle/in/ lib/middle/in/leaf/ lib/middle/in/leaf/.gitignore lib/middle/in/leaf/leaf.txt lib/middle/middle.txt" \
	'… and theirs, each by its own .gitignore'
is "$(tar -xOf "$T/out.tar" lib/middle/in/leaf/leaf.txt)" leaf \
	'… with their contents'
fetch top --dir lib/middle/in
is "$error" none 'dir may lie in one'

# What cannot be had is left out, and said.
while IFS='|' read -r name url words; do
	repo "$name" 'a=a' "sub@$leaf" ".gitmodules=$(module sub "$url")" \
		>/dev/null
	fetch "$name"
	is "$error $names" 'none .gitmodules a' "left out: $name"
	like "$notes" "^sub is left out.*$words" '… with a note'
done <<-END
	path|/etc|only https
	file|file:///etc|only https
	ext|ext::sh -c id|byte
	ssh|git@127.0.0.1:leaf.git|no deploy key
	password|https://u:p@127.0.0.1/leaf.git|password
	above|../../../../x.git|above its host
	private|http://10.0.0.1/leaf.git|private address
	gone|../absent.git|no such repository
	nobody|http://no-such-host.invalid/leaf.git|no host
END
repo other 'a=a' "sub@$(printf 0%.0s {1..39})1" \
	".gitmodules=$(module sub ../leaf.git)" >/dev/null
fetch other
like "$error $notes" '^none sub is left out' 'left out: a commit that is not there'
repo unnamed 'a=a' "sub@$leaf" >/dev/null
fetch unnamed
like "$error $notes" '^none sub is left out.*without a URL' \
	'left out: one without an entry'
repo dropped 'a=a' "sub@$leaf" '.gitignore=sub\n' \
	".gitmodules=$(module sub ../leaf.git)" >/dev/null
fetch dropped
is "$error $names" 'none .gitignore .gitmodules a' 'an ignored one is not missed'

# Bounds.
deep=$leaf
for i in 1 2 3 4 5; do
	deep=$(repo "deep$i" "$i=$i" "d@$deep" \
		".gitmodules=$(module d "../$([ "$i" = 1 ] && echo leaf ||
			echo "deep$((i - 1))").git")")
done
fetch deep5
is "$error $(wc -w <<<"$names")" 'none 14' 'four deep'
like "$notes" '^d/d/d/d/d is left out: a submodule over 4 deep' '… and no deeper'
links=() entries=
for i in {1..33}; do
	links+=("m$i@$leaf")
	entries+=$(module "m$i" ../leaf.git)
done
repo many "${links[@]}" ".gitmodules=$entries" >/dev/null
fetch many
is "$error" repository_too_large 'no more than 32'
repo evil "index.html=top" "sub@$(repo hostile 'a\\b=x')" \
	".gitmodules=$(module sub ../hostile.git)" >/dev/null
fetch evil
is "$error $names" 'repository_unsafe ' 'the rules for names hold inside'
DAVIT_SOURCE_BYTES=200 fetch top
is "$error" repository_too_large 'files are counted in all'
DAVIT_PACK_BYTES=700 fetch top
is "$error" repository_too_large 'and so are packs'
is "$(find "$TMPDIR" -name '*davit-fetch*')" '' 'nothing is left'

done_testing
