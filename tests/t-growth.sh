#!/bin/bash
# Every fault of a git host, again and again, through one submit.fcgi: the same
# answer each time, and nothing grows.  DAVIT_ROUNDS=100 is a long look.
# shellcheck disable=SC2119

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"

need jq curl git redis-server lighttpd spawn-fcgi perl
rounds=${DAVIT_ROUNDS:-2}
services_begin
# What was freed must not look like growth.
ASAN_OPTIONS+=:quarantine_size_mb=1:thread_local_quarantine_size_kb=64
# The subshell that sets these too is in services.sh.
# shellcheck disable=SC2031
export HOME=$T/tmp GIT_CONFIG_NOSYSTEM=1

# --- one responder, an honest host, and one that is not ---

accepts() { # PORT
	(: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

start_lighttpd_alone() {
	cat >"$T/backend" <<-END
		#!/bin/sh
		export GIT_PROJECT_ROOT='$T/git' GIT_HTTP_EXPORT_ALL=1
		exec git http-backend
	END
	chmod 755 "$T/backend"
	cat >"$T/lighttpd.conf" <<-END
		server.document-root = "$T/run"
		server.bind = "127.0.0.1"
		server.port = $PORT
		server.modules = ("mod_alias", "mod_cgi", "mod_fastcgi")
		server.upload-dirs = ("$T/run")
		alias.url = ("/git" => "$T/backend")
		cgi.assign = ("/backend" => "")
		fastcgi.server = ("/get/url" => ((
			"socket" => "$T/run/submit.socket",
			"check-local" => "disable")))
	END
	start lighttpd lighttpd -D -f "$T/lighttpd.conf"
	must_start lighttpd listens
}

start_submit() {
	start submit spawn-fcgi -n -s "$T/run/submit.socket" -M 0660 -- \
		"$T/libexec/submit.fcgi"
	must_start submit test -S "$T/run/submit.socket"
	pid=${pid_of[submit]}
}

write_conf 'fetch_time 20'
start_redis
mkdir "$T/tmp/site"
seq 3000 >"$T/tmp/site/index.html"
honest=$(git_repo site "$T/tmp/site")
start_submit
start_lighttpd_alone
faults=$(free_port)
start faults perl "$T/share/fault_server.pl" "$faults" "$URL/git"
must_start faults accepts "$faults"
refusing=$(free_port)

# --- what may grow ---

kib() {
	awk '/^VmRSS:/ { print $2 }' "/proc/$pid/status"
}

left() {
	find "$T/scratch" "$T/store" -mindepth 1 ! -type d -o -name 'fetch-*'
	rcli --raw keys '*' | grep -v '^davit:check$'
	find "/proc/$pid/fd" -mindepth 1 | wc -l
	pgrep -P "$pid"
}

# --- the faults ---

base=http://127.0.0.1:$faults
table="
	repository_private	401
	repository_private	403
	repository_not_found	404
	fetch_failed		429
	fetch_failed		500
	repository_not_found	html
	fetch_failed		loop
	repository_not_found	login
	address_forbidden	inward
	fetch_failed		elsewhere
	fetch_failed		cut
	fetch_failed		clean
	fetch_failed		reset
	fetch_failed		race
	fetch_failed		flip
	fetch_failed		sum
	fetch_failed		progress
	repository_too_large	billion
	fetch_failed		nothing
	fetch_failed		http://127.0.0.1:$refusing/x.git
	fetch_failed		git://127.0.0.1:$faults/cut"
slow="
	fetch_timeout		silent
	fetch_timeout		drip"

url_of() { # FAULT
	case $1 in
	*:*) echo "$1" ;;
	*) echo "$base/$1/site.git" ;;
	esac
}

# The faults of a table once: those that were answered otherwise.
once() { # TABLE
	local want fault got
	while read -r want fault; do
		[ -n "$want" ] || continue
		got=$(api POST /get/url -H 'Content-Type: application/json' \
			-d "{\"url\": \"$(url_of "$fault")\"}" |
			jq -r .error)
		[ "$got" = "$want" ] || echo "$fault: $got, wanted: $want"
	done <<<"$1"
}

again_and_again() { # NAME TABLE
	local name=$1 table=$2 before after wrong n
	once "$table" >"$T/tmp/first"
	before=$(kib)
	left >"$T/tmp/before"
	wrong=$(
		cat "$T/tmp/first"
		for ((n = 1; n < rounds; n++)); do
			once "$table"
		done
	)
	is "$wrong" "" "$name: the same answers $rounds times"
	after=$(kib)
	is "$(left)" "$(cat "$T/tmp/before")" \
		"$name: no file, no key, no descriptor, no process is left"
	is "$((after - before <= 1024))" 1 \
		"$name: from $before KiB to $after KiB"
}

again_and_again 'at once' "$table"
is "$(find "$T/scratch" "$T/store" -type f) $(pgrep -P "$pid")" ' ' \
	'none at all'
# fetch_time is read at the start.
stop submit
rm -f "$T/run/submit.socket"
write_conf 'fetch_time 1'
start_submit
again_and_again 'by the deadline' "$slow"
is "$(api POST /get/url -H 'Content-Type: application/json' \
	-d "{\"url\": \"$honest\"}" | jq -r .success)" true \
	'after all that, an honest one is fetched'
done_testing
