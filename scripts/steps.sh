# steps.sh - what quickstart.sh and check.sh share, to be sourced: a line a
# step, with its time; a failure says which step, why, and what to do.
#
# $source_dir is the source tree, $log_dir where each step's words go.

# shellcheck shell=bash disable=SC2154

umask 022
export LC_ALL=C.UTF-8 PATH=$PATH:/usr/sbin:/sbin

bold='' dim='' red='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' plain=$'\e[m'
fi

die() { # WHAT CURE
	printf '\n%s%s: %s%s\n' "$red" "$(basename "$0")" "$1" "$plain" >&2
	printf 'What to do: %s\n' "$2" >&2
	exit 1
}

now_ms() {
	printf '%s' "$((${EPOCHREALTIME/./} / 1000))"
}

# A stage's line: its name, its milliseconds, a word on it.
line() { # NAME MS [WORDS]
	printf '%s%-10s%s %5d.%d s  %s%s%s\n' "$bold" "$1" "$plain" \
		$(($2 / 1000)) $(($2 % 1000 / 100)) "$dim" "${3:-}" "$plain"
}

step_pid=

interrupted() {
	[ -z "$step_pid" ] || kill -- "-$step_pid"
	exit 130
}
trap interrupted INT TERM HUP

# Run COMMAND with its words in a log.  In a process of its own, so that
# "set -e" holds in it whoever calls; in a process group, to be ended whole.
step() { # NAME CURE COMMAND…
	local name=$1 cure=$2 log=$log_dir/$1.log began rc=0
	shift 2
	mkdir -p "$log_dir"
	began=$(now_ms)
	[ ! -t 1 ] || printf '%s%-10s%s …\r' "$bold" "$name" "$plain"
	set -m
	(
		set -e
		"$@"
	) >"$log" 2>&1 </dev/null &
	set +m
	step_pid=$!
	wait "$step_pid" || rc=$?
	step_pid=
	if [ $rc -ne 0 ]; then
		line "$name" $(($(now_ms) - began)) "${red}failed"
		printf '\nThe end of %s:\n' "$log" >&2
		tail -n 20 "$log" | sed 's/^/    /' >&2
		die "step '$name' failed with status $rc" "$cure"
	fi
	line "$name" $(($(now_ms) - began)) "$(tail -n 1 "$log" | cut -c 1-66)"
}

# Try COMMAND every 0.1 s until it succeeds.  False at the deadline.
wait_for() { # SECONDS COMMAND…
	local end=$(($(now_ms) + $1 * 1000))
	shift
	until "$@"; do
		[ "$(now_ms)" -lt "$end" ] || return 1
		sleep 0.1
	done
}

need_root() {
	[ "$(id -u)" -eq 0 ] ||
		die 'packages and containers need root' "sudo $0"
	command -v apt-get >/dev/null ||
		die 'this is made for Debian 12 and 13: there is no apt-get' \
			'see README.md for building by hand'
}

# The engine that answers on the socket, or none.
engine_answers() { # SOCKET
	command -v curl >/dev/null &&
		[ "$(curl -s --noproxy '*' --max-time 5 --unix-socket "$1" \
			http://docker/_ping 2>/dev/null)" = OK ]
}

install_packages() { # SOCKET KIND…
	local socket=$1
	shift
	"$source_dir/scripts/install-packages" "$@"
	engine_answers "$socket" ||
		"$source_dir/scripts/install-packages" engine
}

# Configure and make in a directory of its own; make knows what is stale.
build() { # DIRECTORY CONFIGURE-OPTION…
	local dir=$1
	shift
	cd "$source_dir"
	[ -x configure ] || ./autogen.sh
	mkdir -p "$dir"
	cd "$dir"
	[ -e Makefile ] || "$source_dir/configure" "$@"
	make -j "$(nproc)"
}

# An engine of our own where none answers; its pid file's path in FILE.
start_engine() { # SOCKET DIRECTORY FILE
	local pidfile
	pidfile=$("$source_dir/worker/image/ensure-docker" "$1" "$2")
	[ -z "$pidfile" ] || printf '%s\n' "$pidfile" >"$3"
	[ -s "$3" ] && echo 'started from here' || echo 'answers already'
}

stop_engine() { # FILE
	local pid
	[ -s "$1" ] || return 0
	pid=$(cat "$(cat "$1")" 2>/dev/null) || pid=
	rm -f "$1"
	case $(readlink "/proc/${pid:-none}/exe") in
	*/dockerd*) kill "$pid" ;;
	*) return 0 ;;
	esac
	wait_for 20 ended "$pid" || kill -KILL "$pid"
}

# A container's first process may leave zombies alone.
ended() { # PID
	case $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) in
	'' | Z*) ;;
	*) return 1 ;;
	esac
}

# What builds may reach; its last word is long.
guard_network() { # [OPTION…]
	"$source_dir/worker/image/ensure-network" "$@"
}

make_image() { # SOCKET
	"$source_dir/worker/image/build-image" --docker "unix:$1"
}
