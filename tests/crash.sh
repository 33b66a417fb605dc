# crash.sh - processes that die between two effects that others see, to be
# sourced after services.sh.
#
#	crash_begin REDIRECT	services, and $template, a deployment with that rule,
#				to be had again
#	dies_at PROGRAM N	at its Nth point from now on (lib/crash.h)
#	every_point NAME PROGRAM SCENARIO
#
# A scenario takes one state to another, whatever dies, and prints what is
# wrong then.

# shellcheck shell=bash disable=SC2034,SC2119,SC2154

crash_begin() { # REDIRECT
	need jq curl git redis-server apache2
	need_docker
	grep -qs '^#define DAVIT_CRASH_POINTS 1' \
		"${top_builddir:?}/config.h" ||
		skip_all 'built without --enable-crash-points'
	services_begin
	export DAVIT_CRASH=$T/run/crash
	write_conf 'keep_source 0'
	start_redis
	apache_conf >"$T/httpd.conf"
	sed -i "s|^Include $T/share/davit.conf|&\\
FcgidInitialEnv DAVIT_CRASH $DAVIT_CRASH|" "$T/httpd.conf"
	sed -i "s|InitialEnv DAVIT_CONF=|InitialEnv DAVIT_CRASH=$DAVIT_CRASH &|" \
		"$T/share/davit.conf"
	start apache apache2 -f "$T/httpd.conf" -DFOREGROUND
	must_start apache listens
	mkdir "$T/tmp/page"
	echo '<h1>page</h1>' >"$T/tmp/page/index.html"
	echo "$1" >"$T/tmp/page/_redirects"
	url=$(git_repo page "$T/tmp/page")
	start_davitd
	template=$(deploy "{\"url\": \"$url\", \"alias\": \"named\"}")
	is "$(wait_final "$template" 60)" deployed 'a site to begin with'
	settle
}

# --- davitd ---

# As the init system does.
keep_davitd() {
	gone "${pid_of[davitd]:-0}" || return 0
	wait "${pid_of[davitd]}" 2>/dev/null
	start davitd "$T/libexec/davitd" -c "$T/davit.conf"
}
kill_davitd() {
	kill -KILL "${pid_of[davitd]}" && wait "${pid_of[davitd]}"
} 2>/dev/null
quiet() {
	keep_davitd
	[ "$(rcli --raw eval 'local c = redis.call
		return c("LLEN", "build-queue") + c("SCARD", "davit:settling")
			+ c("LLEN", KEYS[1])' 1 "davit:taken:$worker")" = 0 ] &&
		! pgrep -f "$T/libexec/davit-build$" >/dev/null
}
settle() {
	poll_until 60 quiet || echo 'it does not become quiet'
}

# --- what is there ---

field() { # ID NAME: of its record
	rcli --raw hget "davit:deployment:$1" "$2"
}
# But when its log's lines were written: that may be lost with a davitd.
objects() { # ID
	(cd "$T/store" && printf '%s\n' */"$1".* dist/"$1"/* |
		grep -v '\*\|\.times$' | sort | xargs)
}
live='deployments/ID.json dist/ID/index.html logs/ID.txt manifests/ID.json'
live+=' output/ID.tar.zst'
is_live() { # ID: says what is wrong
	local record
	record=$(jq -r '.state + " " + (.deleted | tostring)' \
		"$T/store/deployments/$1.json" 2>&1)
	[ "$record" = 'deployed null' ] || echo "$1: its copy is $record"
	[ "$(field "$1" state)" = deployed ] || echo "$1 is $(field "$1" state)"
	[ "$(objects "$1")" = "${live//ID/$1}" ] ||
		echo "$1 has $(objects "$1")"
}
is_deleted() { # ID
	[ ! -e "$T/store/logs/$1.times" ] || echo "$1 has times"
	[ "$(objects "$1")" = "deployments/$1.json" ] ||
		echo "$1 has $(objects "$1")"
	[ "$(field "$1" deleted)" = \
		"$(jq .deleted "$T/store/deployments/$1.json")" ] ||
		echo "$1: deleted, and not"
}
no_parts() {
	find "$T/store/tmp" -mindepth 1 -name '*.*' ! -name .lock
}
all_are_true() { # every record tells what is there
	local id
	for id in $(rcli --raw keys 'davit:deployment:*' | cut -d : -f 3); do
		[ -n "$(is_deleted "$id")" ] && is_live "$id"
	done
}

# --- deaths ---

dies_at() { # PROGRAM N
	printf '%s %d\n' "$1" "$2" >"$DAVIT_CRASH.new"
	own "$DAVIT_CRASH.new"
	mv "$DAVIT_CRASH.new" "$DAVIT_CRASH"
}

# Each point, until there is no such one any more; a davitd passes a few more
# or less of them, as its takes and its log's lines come.
every_point() { # NAME PROGRAM SCENARIO
	local n tried=0 missed=0 wrong='' words began=$SECONDS
	for ((n = 1; missed < 2; n++)); do
		dies_at "$2" $n
		"$3" >"$T/run/words" 2>&1
		words=$(<"$T/run/words")
		[ -z "$words" ] || wrong+="point $n: $words"$'\n'
		if [ -e "$DAVIT_CRASH" ]; then
			missed=$((missed + 1))
		else
			tried=$((tried + 1))
		fi
		[ $n -lt 500 ] || wrong+='it goes on for ever' missed=2
	done
	rm -f "$DAVIT_CRASH"
	is "$wrong" '' "$1: the promise is kept wherever $2 dies"
	diag "$tried points, in $((SECONDS - began)) s"
	runs "$1: there are such points" test "$tried" -gt 4
}

# The places in the source at which somebody has died.
places() {
	grep -rhso 'dies at: .*' "$T/log" | cut -c 10- | sort -u
}
