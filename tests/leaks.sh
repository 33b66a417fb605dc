#!/bin/bash
# leaks.sh [REQUESTS] - does the memory of a responder grow?  So many requests
# (10,000) to each, through Apache; by hand, for it takes a minute or two, on a
# build without sanitizers.
# shellcheck disable=SC2016,SC2119

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"

requests=${1:-10000}
allowed=512	# KiB that a process may be larger in the end

# KiB of the largest process of that program, without what is shared.
kib() { # PROGRAM
	local exe
	for exe in /proc/[0-9]*/exe; do
		[ "$(readlink "$exe")" != "$T/libexec/$1" ] ||
			awk '/^Private/ { n += $2 } END { print n }' \
				"${exe%exe}smaps_rollup"
	done 2>/dev/null | sort -n | tail -n 1
}

# COUNT requests, one connection after the other: prints the statuses seen.
requests() { # COUNT HOST METHOD PATH [BODY]
	perl -MIO::Socket::INET -e '
		my ($port, $count, $host, $method, $path, $body) = @ARGV;
		my (%seen, $c);
		$body //= "";
		for (1 .. $count) {
			$c ||= IO::Socket::INET->new("127.0.0.1:$port") or die;
			print $c "$method $path HTTP/1.1\r\nHost: $host\r\n",
			    "Content-Length: ", length $body, "\r\n\r\n$body";
			my ($length, $close, $status) = (0, 0);
			while (my $head = <$c>) {
				$status //= (split / /, $head)[1];
				$length = $1 if $head =~ /^content-length: (\d+)/i;
				$close = 1 if $head =~ /^connection: close/i;
				last if $head eq "\r\n";
			}
			$seen{$status // "none"}++;
			read $c, my $rest, $length;
			undef $c if $close || !defined $status;
		}
		print join " ", map { "$_:$seen{$_}" } sort keys %seen;
		' "$PORT" "$@"
}

stays_flat() { # PROGRAM HOST METHOD PATH [BODY]
	local program=$1 before after seen
	shift
	requests 500 "$@" >/dev/null
	before=$(kib "$program")
	seen=$(requests "$requests" "$@")
	after=$(kib "$program")
	is "$((after - before <= allowed))" 1 \
		"$program, $2 $3: from $before to $after KiB ($seen)"
}

services_begin
write_conf
start_redis
start_apache
mkdir "$T/tmp/site"
echo '<h1>site</h1>' >"$T/tmp/site/index.html"
url=$(git_repo site "$T/tmp/site")
id=$(deploy "$url") || exit 1
stays_flat api.fcgi davit.test GET "/status/$id"
stays_flat api.fcgi davit.test GET "/log/$id"
stays_flat api.fcgi davit.test GET /deployments
stays_flat api.fcgi davit.test GET /status/zzzzzzzzzz
stays_flat site.fcgi "$id.davit.test" GET /none
stays_flat submit.fcgi davit.test POST /get/url '{"url": 7, "env": {"A": "b"}}'
# A fetch each: fewer of them.
requests=$((requests / 50))
stays_flat submit.fcgi davit.test POST /get/url "{\"url\": \"$url\"}"
done_testing
