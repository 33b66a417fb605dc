#!/bin/bash
# GET /status with 50 submissions in flight beside the same with none: polls a
# second on one connection, and the slowest of a hundred.
# shellcheck disable=SC2016,SC2119

# shellcheck source=bench.sh
. "$(dirname "$0")/bench.sh"

seconds=${BENCH_SECONDS:-5}

# A git host that takes a request and never answers.
silent_host() {
	local port
	port=$(free_port)
	start silent perl -MIO::Socket::INET -e '
		my $l = IO::Socket::INET->new(LocalAddr => "127.0.0.1",
		    LocalPort => shift, Listen => 99, ReuseAddr => 1) or die;
		my @held;
		while (my $c = $l->accept) { push @held, $c }' "$port"
	silent=http://127.0.0.1:$port/a.git
}

# "POLLS-A-SECOND P99-µs".
poll_status() { # ID
	perl "$top_srcdir/bench/poll.pl" "$PORT" "$1" "$seconds" |
		awk -v seconds="$seconds" '{ print int($1 / seconds), $2 }'
}

in_flight() {
	local i
	flying=()
	for ((i = 0; i < 50; i++)); do
		curl -s -o /dev/null --noproxy '*' --max-time 300 \
			-H 'Host: davit.test' \
			-d "{\"url\": \"$silent\"}" "$URL/get/url" &
		flying+=($!)
	done
}

land() {
	kill "${flying[@]}" 2>/dev/null
	wait "${flying[@]}" 2>/dev/null
}

measure() { # SERVER-NAME
	local idle busy
	poll_status "$id" >/dev/null
	read -ra idle < <(poll_status "$id")
	in_flight
	sleep 1
	read -ra busy < <(poll_status "$id")
	land
	line 'status polls, 50 submissions' "${busy[0]}" "${idle[0]}" /s \
		"the same, idle; $1"
	line 'status poll p99, 50 submissions' "${busy[1]}" "${idle[1]}" µs \
		"the same, idle; $1"
}

services_begin
write_conf 'fetch_time 60'
start_redis
silent_host
start_apache
mkdir "$T/tmp/site"
make_files "$T/tmp/site" 5
id=$(deploy "$(git_repo site "$T/tmp/site")") || exit 1
measure "mod_fcgid, Apache $(apache2 -v | grep -o 'Apache/[0-9.]*' | cut -d / -f 2)"
stop_apache
start_lighttpd
measure "lighttpd $(lighttpd -v | grep -o 'lighttpd/[0-9.]*' | cut -d / -f 2)"
