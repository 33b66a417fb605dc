#!/bin/bash
# The first request for a file of a site on S3 (OpenStack Swift): the web
# server does not have it, site.fcgi asks the store once, answers and keeps
# it.  Beside the same file asked of the store itself, by its own protocol and
# with a token that it knows already.  One after the other, on one connection.
# shellcheck disable=SC2119

# shellcheck source=bench.sh
. "$(dirname "$0")/bench.sh"
# shellcheck source=../tests/swift.sh
. "$top_srcdir/tests/swift.sh"
# shellcheck source=../tests/site-fixture.sh
. "$top_srcdir/tests/site-fixture.sh"

id=benchfirst ours='' ours99='' theirs='' theirs99=''
count=${BENCH_REQUESTS:-200}

# The ms of each of COUNT requests, from file FROM on, sorted into $T/times.
ask() { # URL-PREFIX FROM CURL-OPTION…
	local prefix=$1 from=$2
	shift 2
	for ((i = from; i < from + count; i++)); do
		printf 'url = "%s/%d.txt"\noutput = /dev/null\n' "$prefix" "$i"
	done >"$T/urls"
	curl -sSf --noproxy '*' "$@" -K "$T/urls" \
		-w '%{time_starttransfer}\n' >"$T/took" 2>"$T/log/curl" || {
		say "$prefix: $(head -n 1 "$T/log/curl")"
		exit 1
	}
	awk '{ print $1 * 1000 }' "$T/took" | sort -n >"$T/times"
}

at() { # PERCENT: of $T/times
	awk -v p="$1" '{ v[NR] = $1 } END { print v[int((NR - 1) * p / 100) + 1] }' \
		"$T/times"
}

services_begin
for ((i = 0; i < count * rounds + 1; i++)); do
	put $id "$i.txt" "$(printf '%4096d' "$i")"
done
manifest $id false
start_swift
make_bucket first "$S3_URL" "site_cache $T/cache"
mv "$T/first.conf" "$T/davit.conf"
(cd "$T/store" && find dist manifests -type f |
	"$top_builddir/tests/store_probe" "$T/davit.conf" tree '') \
	2>"$T/log/fill" || { say "$(<"$T/log/fill")"; exit 1; }
mkdir "$T/cache"
own "$T/cache"
site_dir=$T/cache
start_apache
token=$(curl -sS --noproxy '*' -D - -o /dev/null "$S3_URL/auth/v1.0" \
	-H 'X-Auth-User: test:tester' -H 'X-Auth-Key: testing' |
	tr -d '\r' | sed -n 's/^X-Auth-Token: //Ip')
get $id "/$((count * rounds)).txt" # the site is known
for ((round = 0; round < rounds; round++)); do
	ask "$URL" $((round * count)) -H "Host: $id.davit.test"
	ours+="$(at 50) " ours99+="$(at 99) "
	ask "$S3_URL/v1/AUTH_test/first/dist/$id" $((round * count)) \
		-H "X-Auth-Token: $token"
	theirs+="$(at 50) " theirs99+="$(at 99) "
done
# shellcheck disable=SC2086
line '4 KB from S3 for the first time' "$(median $ours)" "$(median $theirs)" \
	ms "Swift by itself; p99 $(median $ours99) and $(median $theirs99) ms"
