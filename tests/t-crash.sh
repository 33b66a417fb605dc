#!/bin/bash
# Every point at which a process can die between two effects that others see:
# of a submission, a build's publish, davitd's changes of state, a deletion.
# After each: exactly one end, which is true, nothing half-live, nothing left.
# CRASH_SECONDS=600 tries all of them, however slow the machine; else it is
# told how many were left out.
# shellcheck disable=SC2119

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"

need jq curl git redis-server apache2
need_docker
grep -qs '^#define DAVIT_CRASH_POINTS 1' "${top_builddir:?}/config.h" ||
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
echo '/old /index.html 301!' >"$T/tmp/page/_redirects"
url=$(git_repo page "$T/tmp/page")

# --- one death ---

# As the init system does.
keep_davitd() {
	gone "${pid_of[davitd]:-0}" || return 0
	wait "${pid_of[davitd]}" 2>/dev/null
	start davitd "$T/libexec/davitd" -c "$T/davit.conf"
}
quiet() {
	keep_davitd
	[ "$(rcli --raw eval 'local c = redis.call
		return c("LLEN", "build-queue") + c("SCARD", "davit:settling")
			+ c("LLEN", KEYS[1])' 1 "davit:taken:$worker")" = 0 ] &&
		! pgrep -f "$T/libexec/davit-build" >/dev/null
}
settle() {
	poll_until 60 quiet || echo 'it does not become quiet'
}
dies_at() { # PROGRAM N
	printf '%s %d\n' "$1" "$2" >"$DAVIT_CRASH.new"
	own "$DAVIT_CRASH.new"
	mv "$DAVIT_CRASH.new" "$DAVIT_CRASH"
}
# But when its log's lines were written: that may be lost with a davitd.
objects() { # ID
	(cd "$T/store" && find . -path "*$1*" -type f ! -name "$1.times" |
		sort | xargs)
}
live="./deployments/ID.json ./dist/ID/index.html ./logs/ID.txt"
live="$live ./manifests/ID.json ./manifests/ID.rules ./output/ID.tar.zst"
is_live() { # ID: says what is wrong
	local record
	record=$(jq -r '.state + " " + (.deleted | tostring)' \
		"$T/store/deployments/$1.json" 2>&1)
	[ "$record" = 'deployed null' ] || echo "$1: its copy is $record"
	[ "$(state "$1")" = deployed ] || echo "$1 is $(state "$1")"
	[ "$(objects "$1")" = "${live//ID/$1}" ] ||
		echo "$1 has $(objects "$1")"
}
is_deleted() { # ID
	[ ! -e "$T/store/logs/$1.times" ] || echo "$1 has times"
	[ "$(objects "$1")" = "./deployments/$1.json" ] ||
		echo "$1 has $(objects "$1")"
	[ "$(api GET "/status/$1" | jq .deleted)" = \
		"$(jq .deleted "$T/store/deployments/$1.json")" ] ||
		echo "$1: deleted, and not"
}
no_parts() {
	find "$T/store/tmp" -mindepth 1 -name '*.*' ! -name .lock
}

# Each takes the state before to a state after, whatever dies.
submitting() {
	local id
	id=$(deploy "$url" 2>/dev/null)
	settle
	[ -z "$id" ] || is_live "$id"
}
building() {
	local id
	id=$(deploy "$url") || echo 'it is not accepted'
	settle
	is_live "$id"
	no_parts
}
deleting() {
	local id answer
	id=$(cat "$T/run/victim")
	answer=$(api DELETE "/deployments/$id" 2>/dev/null)
	settle
	if [ "$(jq -r '.success // false' <<<"$answer" 2>/dev/null)" = true ]; then
		is_deleted "$id"
	elif [ -n "$(rcli hget "davit:deployment:$id" deleted | grep -v '^0$')" ]
	then
		is_deleted "$id"
	else
		is_live "$id"
	fi
	[ -z "$(is_deleted "$id")" ] || return 0
	deploy "$url" >"$T/run/victim"
	settle
}

# How many points a run passes in which nobody dies.
count_points() { # PROGRAM SCENARIO
	dies_at "$1" 100000
	"$2"
	settle
	points=$((100000 - $(cut -d ' ' -f 2 "$DAVIT_CRASH")))
	rm "$DAVIT_CRASH"
}
# Each of them, far ones in turn, as long as there is time.
every_point() { # NAME PROGRAM SCENARIO
	local first n wrong='' words points tried=0 end
	end=$((SECONDS + ${CRASH_SECONDS:-40} / 5))
	wrong=$(count_points "$2" "$3"; echo "$points" >"$T/run/points")
	points=$(cat "$T/run/points")
	for first in 1 2 3 4 5; do
		for ((n = first; n <= points; n += 5)); do
			[ $SECONDS -lt $end ] || break
			dies_at "$2" $n
			words=$("$3" 2>&1)
			[ -z "$words" ] || wrong+="point $n: $words"$'\n'
			keep_davitd
			tried=$((tried + 1))
		done
	done
	rm -f "$DAVIT_CRASH"
	is "$wrong" '' "$1: the promise is kept wherever $2 dies"
	diag "$tried of $points points, after $SECONDS s"
	runs "$1: there are such points" test "$tried" -gt 1
}

start_davitd
settle
every_point 'a submission' submit.fcgi submitting
every_point 'a build' davit-build building
every_point 'states' davitd building
deploy "$url" >"$T/run/victim"
settle
every_point 'a deletion' api.fcgi deleting
every_point 'a deletion' davitd deleting

# --- what dead submissions have left ---

is "$(for id in $(rcli --raw keys 'davit:deployment:*' | cut -d : -f 3); do
	[ -n "$(is_deleted "$id")" ] && is_live "$id"
done)" '' 'each record tells what is there, and all of it'
stop_davitd
find "$T/store" "$T/scratch" -exec touch -h -d '3 days ago' {} +
runs 'a sweep' "${as_user[@]}" "$T/libexec/davitd" -c "$T/davit.conf" --sweep
start_davitd
settle
is "$(cd "$T/store" && find output dist logs deployments manifests -type f |
	grep -oE '/[a-z0-9]{10}[./]' | tr -d ./ | sort -u)" \
	"$(rcli --raw keys 'davit:deployment:*' | cut -d : -f 3 | sort)" \
	'takes what dead submissions have left'
# Directories that were being removed go by their ctime, which nobody can set:
# test_store has them.
is "$(find "$T/store/tmp" "$T/scratch" -mindepth 1 -maxdepth 1 ! -name .lock \
	! \( -type d -regex '.*/tmp/[a-z0-9]*' \))" '' '… all of it'

done_testing
