#!/bin/bash
# An S3 store that is overloaded for a while: OpenStack Swift behind a proxy
# that says 503 SlowDown.  Nothing half-done, nothing lost, and nothing begun in
# vain.
# shellcheck disable=SC2119,SC2154

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"
# shellcheck source=swift.sh
. "$here/swift.sh"

need jq curl git redis-server apache2 perl
need_docker
[ -x "${top_builddir:?}/tests/test_store" ] ||
	skip_all 'tests/test_store has not been built'
services_begin
start_swift
refuse() { # EXPRESSION: of "METHOD PATH"; none: all is well
	echo "$*" >"$T/refuse.new"
	mv "$T/refuse.new" "$T/refuse"
}
refuse
: >"$T/refuse.refused"
own "$T/refuse.refused"
port=$(free_port)
start proxy perl "$T/share/s3_proxy.pl" "$port" "${S3_URL#http://}" \
	"$T/refuse"
must_start proxy curl -s -o /dev/null --noproxy '*' \
	"http://127.0.0.1:$port/healthcheck"
make_bucket away "http://127.0.0.1:$port" 's3_timeout 5' 'store_time 60'
mv "$T/away.conf" "$T/davit.conf"
start_redis
start_apache
start_davitd

mkdir "$T/tmp/page"
echo '<h1>page</h1>' >"$T/tmp/page/index.html"
url=$(git_repo page "$T/tmp/page")

objects() { # of the bucket, past the proxy
	swift_api GET away | grep -v ^probe | sort
}
settled() {
	[ "$(rcli scard davit:settling)" = 0 ]
}
has_logged() { # ID REGEX
	[[ $(api GET "/log/$1") =~ $2 ]]
}
waits_for() { # ID WHAT
	[ "$(api GET "/status/$1" | jq -r .waiting_for)" = "$2" ]
}
live() { # ID NAME
	is "$(wait_final "$1" 60)" deployed "$2"
	is "$(site "$1" /)" '<h1>page</h1>' '… and live'
	poll_until 20 settled
}

id=$(deploy "$url")
live "$id" 'while all is well, a site is deployed'

# --- a build under way ---

refuse '^PUT /away/dist/'
id=$(deploy "$url")
runs 'a build that cannot publish says so, and tries again' \
	poll_until 60 has_logged "$id" 'SlowDown.*trying again in [0-9]+ s'
is "$(state "$id")" publishing '… for a while'
refuse '.'
before=$(objects)
records=$(rcli zcard davit:deployments)
code=$(api POST /get/url -d "{\"url\": \"$url\"}" -o "$T/answer" \
	-D "$T/head" -w '%{http_code}')
is "$code $(jq -r .error "$T/answer")" '503 store_unavailable' \
	'meanwhile a submission is refused'
like "$(<"$T/head")" '[Rr]etry-[Aa]fter: [0-9]' '… and told when to come back'
is "$(objects)" "$before" '… and leaves nothing in the store'
is "$(rcli zcard davit:deployments)" "$records" '… nor in Redis'
refuse
live "$id" 'the store is back in time: the build is published'
is "$(api GET "/status/$id" | jq .attempt)" 1 '… at its first attempt'

# --- for longer than store_time ---

sed -i 's/^store_time .*/store_time 2/' "$T/davit.conf"
refuse '^PUT /away/dist/'
id=$(deploy "$url")
is "$(wait_final "$id" 60)" failed 'not back in time: the build has failed'
is "$(api GET "/status/$id" | jq -r .error.code)" \
	store_unavailable '… and why'
refuse
poll_until 20 settled
rcli flushall >/dev/null
is "$(state "$id")" failed '… which the store tells as well'
like "$(api GET "/log/$id")" 'error: .*SlowDown' '… and its log is kept'
is "$(objects | grep -c "^\(dist\|manifests\)/$id")" 0 \
	'… and nothing of its site is'

# --- nothing is begun ---

stop_davitd
id=$(deploy "$url")
refuse '.'
start_davitd
runs 'what waits is told what for' poll_until 60 waits_for "$id" store
is "$(state "$id") $(rcli llen build-queue)" 'queued 1' '… and is not taken'
like "$(api GET /healthz)" '"store": *"the store can.t be' \
	'health tells it, too'
refuse
live "$id" 'the store is back: it is built'
is "$(api GET "/status/$id" | jq .attempt)" 1 '… at its first attempt'

# --- what never answers ---

port=$(free_port)
start silent perl -MIO::Socket::INET -MIO::Socket::UNIX -e '
	my @l = (IO::Socket::INET->new(LocalAddr => "127.0.0.1",
	    LocalPort => $ARGV[0], Listen => 9), IO::Socket::UNIX->new(
	    Local => $ARGV[1], Listen => 9));
	sleep;' "$port" "$T/silent.sock"
must_start silent test -S "$T/silent.sock"
ready() { # [CONF-LINE…]: how davit-build --ready ends, within 2 s
	write_conf "store_keys $T/s3.keys" "$@"
	"${as_user[@]}" timeout 60 "$T/libexec/davit-build" --ready=2
	echo $?
}
is "$(ready)" 0 'all answers'
is "$(ready "store s3 http://127.0.0.1:$port/x" 's3_timeout 600')" 2 \
	'a store that never answers is told in time'
is "$(ready "docker unix:$T/silent.sock")" 3 '… and so is an engine'

done_testing
