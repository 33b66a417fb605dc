#!/bin/bash
# valgrind.sh - the responders, davitd and davit-build under valgrind in one
# run of the line: submit, build, status, log, site, cancel, errors.  By hand,
# on a build without sanitizers.  VALGRIND names another valgrind than the
# system's: before 3.21 it has no pidfd_open(2), without which davit starts no
# child.  (Debian 13's package, unpacked by dpkg -x, runs on Debian 12 with
# VALGRIND_LIB set to its usr/libexec/valgrind.)
# shellcheck disable=SC2119

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"

# In place of each program a script that runs it under valgrind.  Not
# davit-fetch: its limit of address space is too small for that.
wrap() { # PROGRAM…
	local program
	mkdir "$T/libexec/real"
	for program; do
		mv "$T/libexec/$program" "$T/libexec/real/$program"
		cat >"$T/libexec/$program" <<-END
			#!/bin/sh
			${VALGRIND_LIB:+export VALGRIND_LIB=$VALGRIND_LIB}
			exec $valgrind --quiet --leak-check=full \\
				--show-leak-kinds=definite,indirect \\
				--log-file=$T/log/valgrind-$program.%p \\
				$T/libexec/real/$program "\$@"
		END
		chmod 755 "$T/libexec/$program"
	done
}

reports() { # PROGRAM
	cat "$T/log/valgrind-$1".*
}

valgrind=${VALGRIND:-valgrind}
need "$valgrind"
version=$("$valgrind" --version | grep -o '[0-9.]*$')
printf '3.21\n%s\n' "$version" | sort -CV || {
	echo "valgrind.sh: $valgrind is $version; 3.21 or newer is needed" >&2
	exit 1
}
need_docker
services_begin
wrap submit.fcgi api.fcgi site.fcgi davitd davit-build
own "$T/libexec"
write_conf 'lease_time 30'
start_redis
start_apache
start_davitd
mkdir "$T/tmp/site"
echo '<h1>site</h1>' >"$T/tmp/site/index.html"
url=$(git_repo site "$T/tmp/site")
id=$(deploy "$url") || exit 1
is "$(wait_final "$id" 120)" deployed 'a static site is deployed'
like "$(site "$id" /)" site 'and served'
cat >"$T/tmp/site/package.json" <<-'END'
	{"scripts": {"build": "mkdir dist && cp index.html dist"}}
END
built=$(deploy "$(git_repo built "$T/tmp/site")") || exit 1
is "$(wait_final "$built" 240)" deployed 'one with a build too'
for path in "/log/$built" /deployments /status/zzzzzzzzzz /healthz /none; do
	api GET "$path" >/dev/null
done
api POST /get/url -d '{"url": 7}' >/dev/null
api POST "/deployments/$id/cancel" >/dev/null
for path in /none /a%20b/ /.git/x; do
	site "$id" "$path" >/dev/null
done
services_stop
for program in submit.fcgi api.fcgi site.fcgi davitd davit-build; do
	runs "$program ran" ls "$T/log/valgrind-$program".*
	is "$(reports "$program")" '' 'and valgrind says nothing of it'
done
done_testing
