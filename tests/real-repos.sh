#!/bin/bash
# real-repos.sh [NAME|DIRECTORY…] - other people's projects as repositories:
# what davit-fetch streams has the names, kinds, modes and bytes that git
# archive gives, and leaves out what git check-ignore names.
#
# A NAME is a Debian source package, got by "apt-get source" (which needs
# "deb-src" lines), or "npm:NAME" for npm pack; by default those below, as
# make real-repos.  A DIRECTORY is taken as it is, and "davit" is its own
# sources: t-real.sh needs no network.  A table of what came of each is printed, and left in REAL_TABLE.
# shellcheck disable=SC2154

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"

defaults=(jq redis tmux fzf zsh lldpd libgit2 git vim neovim cmake rails
	sphinx python-mkdocs npm:create-vite npm:create-astro npm:npm)
[ $# -gt 0 ] || set -- "${defaults[@]}"
downloads=${REAL_DOWNLOADS:-}	# a directory that keeps them

need git jq perl
services_begin
[ -n "$downloads" ] || downloads=$T/tmp/downloads
mkdir -p "$downloads" "$T/tmp/home"
# The subshell that sets these too is in services.sh.
# shellcheck disable=SC2031
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=$T/tmp/gitconfig \
	GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@davit.test \
	GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@davit.test
git config --global safe.directory '*'

accepts() { # PORT
	(: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

port=$(free_port)
start git-daemon git -c safe.directory='*' daemon --base-path="$T/git" \
	--export-all --listen=127.0.0.1 --port="$port" --reuseaddr
must_start git-daemon accepts "$port"

# --- where a tree comes from ---

# The archives of a Debian source package, upstream's main one first.
debian_source() { # NAME: prints its path
	local dir=$downloads/$1
	[ -d "$dir" ] || {
		mkdir "$dir"
		(cd "$dir" && apt-get -qq source --download-only "$1") >&2 ||
			return
	}
	find "$dir" -name '*.orig.tar.*' ! -name '*.asc' | sort | head -n 1
}

npm_package() { # NAME: prints its path
	local dir=$downloads/npm.$1
	[ -d "$dir" ] || {
		mkdir "$dir"
		(cd "$dir" && npm pack --silent "$1") >&2 || return
	}
	find "$dir" -name '*.tgz' | head -n 1
}

# davit's sources with what autogen.sh has made there, which git ignores.
own_tree() {
	(
		cd "$top_srcdir" || exit
		find . -maxdepth 1 -type f ! -name .git -print0
		printf '%s\0' apache bench build-aux doc fcgi lib m4 man scripts \
			tests worker
	) | tar -C "$top_srcdir" --null -T - --exclude '*.o' -cf -
}

# The tree into $work, whole and without a repository of its own.
tree() { # NAME|DIRECTORY
	local archive
	rm -rf "$work" && mkdir "$work" || return
	case $1 in
	/*) tar -C "$1" -cf - . | tar -x -C "$work"; return ;;
	davit) own_tree | tar -x -C "$work"; return ;;
	npm:*) archive=$(npm_package "${1#npm:}") ;;
	*) archive=$(debian_source "$1") ;;
	esac
	[ -n "$archive" ] &&
		tar -x -C "$work" --no-same-owner --strip-components 1 \
			-f "$archive"
}

repository() {
	rm -rf "$T/git/real.git" "$work/.git"
	git init -q -b main "$work" &&
		git -C "$work" -c core.autocrlf=false add -Af &&
		git -C "$work" commit -qm real &&
		git clone -q --bare "$work" "$T/git/real.git" &&
		own "$T/git"
}

# --- what both say ---

fetch() { # FILE [OPTION…]
	DAVIT_ALLOW_HOSTS=127.0.0.1 DAVIT_FETCH_TIME=300 \
		"$T/libexec/davit-fetch" "${@:2}" \
		"git://127.0.0.1:$port/real.git" 3>"$T/result" >"$1" \
		2>>"$T/log/fetch"
}

# Kinds, names and links of what an archive holds but directories; which can
# be executed; their bytes' hashes.
census() { # FILE
	rm -rf "$T/tmp/got"
	mkdir "$T/tmp/got"
	tar -x -C "$T/tmp/got" -f "$1" || return
	(
		cd "$T/tmp/got" || exit
		find . ! -type d -printf '%y %P %l\n' | sort
		find . -type f -perm -100 -printf 'x %P\n' | sort
		find . -type f -print0 | sort -z | xargs -0r sha1sum
	)
}

# git archive, without what .gitattributes has to say for releases and line
# ends: that goes by a file of the repository that stands before all others.
archive() {
	echo '* !export-ignore !export-subst !text !eol !ident' \
		>"$T/git/real.git/info/attributes"
	git -C "$T/git/real.git" archive HEAD >"$1"
	rm -f "$T/git/real.git/info/attributes"
}

ignored_by_git() {
	git -C "$work" ls-files -z |
		git -C "$work" check-ignore --no-index -z --stdin |
		tr '\0' '\n' | sort
}

# What is in the first tar and not in the second.
left_out() { # TAR TAR
	comm -23 <(names "$1") <(names "$2")
}

names() { # TAR
	tar -t --quoting-style=literal -f "$1" | grep -v '/$' | sort
}

row() { # COLUMN…
	printf '| %s | %s | %s | %s | %s | %s | %s | %s |\n' "$@" >>"$table"
}

try() { # NAME|DIRECTORY
	local name=$1 all=$T/tmp/all.tar some=$T/tmp/some.tar exact ignored
	local rules
	[[ $1 != /* ]] || name=${1#"$top_srcdir"/}
	if ! tree "$1" >>"$T/log/tree" 2>&1 || ! repository; then
		not_ok "$name: is there" "$(tail -n 3 "$T/log/tree")"
		return
	fi
	if ! fetch "$all" --ignored keep || ! fetch "$some"; then
		not_ok "$name: is fetched" "$(cat "$T/result")"
		row "$name" - - - - - - "$(jq -r .message "$T/result")"
		return
	fi
	archive "$T/tmp/git.tar"
	census "$T/tmp/git.tar" >"$T/tmp/theirs"
	census "$all" >"$T/tmp/ours"
	exact=equal
	cmp -s "$T/tmp/ours" "$T/tmp/theirs" || exact=differs
	is "$exact" equal "$name: names, kinds, modes and bytes are as archived"
	[ "$exact" = equal ] ||
		diag "$(diff "$T/tmp/theirs" "$T/tmp/ours" | head -n 10)"
	ignored_by_git >"$T/tmp/ignored"
	left_out "$all" "$some" >"$T/tmp/left"
	ignored=agree
	cmp -s "$T/tmp/ignored" "$T/tmp/left" || ignored=differ
	is "$ignored" agree "$name: git ignores $(wc -l <"$T/tmp/ignored"), too"
	[ "$ignored" = agree ] ||
		diag "$(diff "$T/tmp/ignored" "$T/tmp/left" | head -n 10)"
	rules=$(find "$work" -name .gitignore -exec cat {} + |
		grep -cv '^#\|^[[:space:]]*$')
	row "$name" "$(grep -c '^[fl] ' "$T/tmp/ours")" \
		"$(grep -c '^l ' "$T/tmp/ours")" \
		"$(grep -c '^x ' "$T/tmp/ours")" "$exact" "$rules" \
		"$(wc -l <"$T/tmp/ignored")" "$ignored"
}

work=$T/tmp/work
table=${REAL_TABLE:-$T/tmp/table}
printf '%s\n' \
	'| project | files | links | executable | as git archive | rules | ignored | as check-ignore |' \
	'|---|---|---|---|---|---|---|---|' >"$table"
for project; do
	try "$project"
done
diag "$(<"$table")"
done_testing
