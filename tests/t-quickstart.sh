#!/bin/bash
# quickstart.sh, as far as it goes without starting anything.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
quickstart=${top_srcdir:-$here/..}/quickstart.sh

[ "$(id -u)" -eq 0 ] || skip_all 'quickstart.sh wants root'
id www-data >/dev/null 2>&1 || skip_all 'no user www-data'

dir=$(mktemp -d /tmp/davit.XXXXXX) || exit 1
trap 'rm -rf "$dir" "$moved"' EXIT
moved=
export DAVIT_DIR=$dir/state

run() { # ARGUMENT…: fills $words and $rc
	words=$("$quickstart" "$@" 2>&1)
	rc=$?
}

run --help
is "$rc" 0 '--help succeeds'
like "$words" 'usage:.*stop.*restart.*status.*DAVIT_DIR' '… and names the verbs'

for bad in nonsense --nonsense 'stop now' 'https://h/a https://h/b'; do
	# shellcheck disable=SC2086
	run $bad
	is "$rc" 64 "'$bad' is refused"
	like "$words" usage: '… with the usage'
done

DAVIT_PORT=http run status
is "$rc" 1 'a port that is no number is refused'
like "$words" 'DAVIT_PORT is no port: http.*What to do:' '… and why'

[ ! -e "$dir/state" ]
is $? 0 'nothing has been made so far'

chmod 755 "$dir"
run status
is "$rc" 3 'status fails when nothing runs'
for part in redis apache davitd; do
	like "$words" "$part +does not run" "… and says so of $part"
done
like "$words" "state +$dir/state" '… and where the state is'
run stop
is "$rc" 0 'stop has nothing to do'

# A pid file that outlived its process may name anybody's.
mkdir -p "$dir/state/run"
sleep 60 &
innocent=$!
echo "$innocent 1" >"$dir/state/run/redis"
run status
like "$words" 'redis +does not run' 'a stale pid file fools nobody'
run stop
runs 'a process that only has the number is left alone' kill -0 "$innocent"
kill "$innocent"
rm -r "$dir/state"

# Below a closed directory the web server's user has no way in.
chmod 700 "$dir"
run status
moved=$(readlink "$dir/state")
like "$moved" '^/var/lib/davit-quickstart-[0-9a-f]{8}$' \
	'state moves out of a closed directory'
like "$words" "state +$moved" '… and status says where'
first=$words
run status
is "$words" "$first" '… and finds it there again'

done_testing
