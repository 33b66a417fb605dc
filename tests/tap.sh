# tap.sh - the Test Anything Protocol for shell scripts, to be sourced.
#
# A script says what it expects, calls done_testing and exits 0: its "not ok"
# lines speak.  One that dies early prints no plan, which the driver counts as
# an error.

# shellcheck shell=bash disable=SC2034
set -u
export LC_ALL=C.UTF-8	# ${#text} counts characters, whoever runs this

tap_count=0
tap_failed=0
tap_at_end=:	# a command that may have something to add before the plan

ok() { # NAME
	tap_count=$((tap_count + 1))
	printf 'ok %d - %s\n' "$tap_count" "$1"
}

not_ok() { # NAME [DIAGNOSTIC…]
	tap_count=$((tap_count + 1))
	tap_failed=$((tap_failed + 1))
	printf 'not ok %d - %s\n' "$tap_count" "$1"
	shift
	diag "$@"
}

# What a person who reads the log wants to know.
diag() { # TEXT…
	[ $# -eq 0 ] || printf '%s\n' "$@" | sed 's/^/#   /'
}

is() { # GOT WANTED NAME
	if [ "$1" = "$2" ]; then
		ok "$3"
	else
		not_ok "$3" "got:    $1" "wanted: $2"
	fi
}

like() { # GOT REGEX NAME
	if [[ $1 =~ $2 ]]; then
		ok "$3"
	else
		not_ok "$3" "got:              $1" "wanted to match:  $2"
	fi
}

unlike() { # GOT REGEX NAME
	if [[ $1 =~ $2 ]]; then
		not_ok "$3" "got:                  $1" "wanted not to match:  $2"
	else
		ok "$3"
	fi
}

runs() { # NAME COMMAND…: it must succeed; its words are shown if it does not
	local name=$1 words rc
	shift
	words=$("$@" 2>&1)
	rc=$?
	if [ $rc -eq 0 ]; then
		ok "$name"
	else
		not_ok "$name" "exit $rc of: $*" "$words"
	fi
}

# Try COMMAND every 0.05 s until it succeeds.  False at the deadline.
poll_until() { # SECONDS COMMAND…
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@"; do
		((${EPOCHREALTIME/./} < end)) || return 1
		sleep 0.05
	done
}

# Where DAVIT_TESTS_NEED_ALL is set, as check.sh does, what is missing is a
# failure.
skip_all() { # REASON
	if [ -n "${DAVIT_TESTS_NEED_ALL:-}" ]; then
		not_ok "can run" "$1"
		done_testing
	else
		printf '1..0 # SKIP %s\n' "$1"
	fi
	exit 0
}

done_testing() {
	$tap_at_end
	printf '1..%d\n' "$tap_count"
}
