#!/bin/bash
# The tests' own tools: what should fail does, and nothing stays behind.
# shellcheck disable=SC2016

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
export top_srcdir=${top_srcdir:-$here/..}
unset DAVIT_TESTS_NEED_ALL

dir=$(mktemp -d /tmp/davit.XXXXXX) || exit 1
trap 'rm -rf "$dir"' EXIT

tap() { # SCRIPT: what it prints after tap.sh
	printf '. "%s/tap.sh"\n%s\n' "$here" "$1" >"$dir/script"
	bash "$dir/script" 2>&1
}

served() { # SCRIPT: the same with services in $T, which it leaves in $dir/T
	tap ". '$here/services.sh'; services_begin; echo \$T >'$dir/T'; $1"
}

is "$(tap 'is a a same; is a b other; done_testing')" "\
ok 1 - same
not ok 2 - other
#   got:    a
#   wanted: b
1..2" 'is tells the same from the other'
like "$(tap 'like abc "b\$" x')" '^not ok 1' 'like can fail'
like "$(tap 'unlike abc b x')" '^not ok 1' 'unlike can fail'
like "$(tap 'runs x sh -c "echo why; exit 3"')" 'not ok 1.*exit 3.*why' \
	'runs can fail, and shows the words'
like "$(tap 'poll_until 0 false || echo late')" late 'poll_until has an end'
unlike "$(tap 'ok one; exit 0; done_testing')" '1\.\.' \
	'who leaves early has no plan'
is "$(tap 'skip_all because')" '1..0 # SKIP because' 'skip_all skips'
like "$(tap 'DAVIT_TESTS_NEED_ALL=1; skip_all because')" \
	'^not ok 1.*because.*1\.\.1$' '… and fails where all is needed'

is "$(served 'ok x; done_testing')" $'ok 1 - x\n1..1' \
	'a clean test has nothing added'
[ ! -e "$(cat "$dir/T")" ]
is $? 0 '… and its directory is gone'

like "$(served 'echo "x.c:1:2: runtime error: y" >"$T/log/z"; done_testing')" \
	'not ok 1 - no sanitizer reports.*x\.c:1:2.*1\.\.1' \
	"a sanitizer's report is a failure"
like "$(served 'cp /bin/sleep "$T/libexec/left"
	setsid "$T/libexec/left" 60 & tap_patience=0; done_testing')" \
	'not ok 1 - no process is left.*libexec/left 60' \
	'a process that is left is a failure'
left() {
	local exe
	for exe in /proc/[0-9]*/exe; do
		[ "$(readlink "$exe")" != "$(cat "$dir/T")/libexec/left" ] ||
			return 0
	done
	false
}
gone() {
	! left
}
runs '… and is ended all the same' poll_until 5 gone

if command -v redis-server >/dev/null; then
	served 'start_redis; rcli set a b >&2; kill -TERM $$; sleep 60' \
		>"$dir/out"
	like "$(cat "$dir/out")" '^OK' 'Redis answers in a test'
	unlike "$(cat "$dir/out")" '1\.\.' 'a test that is killed has no plan'
	[ ! -e "$(cat "$dir/T")" ]
	is $? 0 '… and leaves nothing'
	like "$(served 'start_redis; rcli set a b; restart_redis; rcli get a')" \
		$'OK\nb$' 'what Redis holds outlives its restart'
fi

done_testing
