#!/bin/bash
# .gitignore as git means it: davit-fetch leaves out what git check-ignore
# names, in hundreds of directories with rules of every kind.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"

need git perl
services_begin
# The subshell that sets these too is in services.sh.
# shellcheck disable=SC2031
export HOME=$T GIT_CONFIG_NOSYSTEM=1 \
	GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@davit.test \
	GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@davit.test

accepts() { # PORT
	(: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

seed=${DAVIT_SEED:-1}
diag "DAVIT_SEED=$seed"
perl "$here/ignore_corpus.pl" "$T/work" "$seed" "${DAVIT_COUNT:-300}"
git init -q -b main "$T/work"
git -C "$T/work" add -Af && git -C "$T/work" commit -qm corpus
git clone -q --bare "$T/work" "$T/git/corpus.git" 2>/dev/null
own "$T/git"
port=$(free_port)
start git-daemon git -c safe.directory='*' daemon --base-path="$T/git" \
	--export-all --listen=127.0.0.1 --port="$port" --reuseaddr
must_start git-daemon accepts "$port"

git -C "$T/work" ls-files -z >"$T/all"
git -C "$T/work" check-ignore --no-index -z --stdin <"$T/all" |
	tr '\0' '\n' | sort >"$T/ignored.git"
DAVIT_ALLOW_HOSTS=127.0.0.1 "$T/libexec/davit-fetch" \
	"git://127.0.0.1:$port/corpus.git" 3>&- >"$T/out.tar" 2>"$T/log/fetch"
is $? 0 "the corpus is fetched"
tar -tf "$T/out.tar" --quoting-style=literal 2>/dev/null | sort >"$T/kept"
tr '\0' '\n' <"$T/all" | sort | comm -23 - "$T/kept" >"$T/ignored.davit"

is "$(($(wc -l <"$T/ignored.git") > 500))" 1 "git ignores many of its files"
cases=$(find "$T/work" -maxdepth 1 -name 'c[0-9]*' | wc -l)
is "$((cases >= 300))" 1 "there are at least 300 cases"

# "CASE PATH", where only one of the two ignores it.
comm -3 "$T/ignored.git" "$T/ignored.davit" | tr '\t' '>' >"$T/differ"
wrong=$(sed 's/^>//; s|/.*||' "$T/differ" | sort -u)
if [ -z "$wrong" ]; then
	ok "davit and git agree in all $cases cases"
else
	not_ok "davit and git agree in all $cases cases" \
		"$(wc -w <<<"$wrong") differ; '>' is ignored by davit alone"
	for case in $(head -n 10 <<<"$wrong"); do
		diag "$case: $(cat -A "$T/work/$case/.gitignore")" \
			"$(grep "^>*$case/" "$T/differ" | head -n 5)"
	done
fi
done_testing
