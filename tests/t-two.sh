#!/bin/bash
# Two web servers and two workers that share nothing but one S3 and one Redis:
# what is submitted on one is there on both.  By root each pair has a network
# namespace of its own, and meets the others on a bridge; else a port.
# shellcheck disable=SC2154

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"
# shellcheck source=swift.sh
. "$here/swift.sh"
# shellcheck source=networks.sh
. "$here/networks.sh"

need jq curl git redis-server apache2
need_docker
[ -x "${top_builddir:?}/tests/test_store" ] ||
	skip_all 'tests/test_store has not been built'
services_begin
redis=$REDIS
if can_have_networks; then
	begin_networks && make_network a 2 && make_network b 3
	is $? 0 'two networks'
	swift_ip=$bridge_ip
	redis=$bridge_ip:$PORT
	on_host=on_network
else
	diag 'only root, with iproute2, may make networks: two ports'
	on_host=here
fi
start_swift
make_bucket two "$S3_URL"

# Each host has a directory, a configuration, a cache and a port of its own.
declare -A port_of
begin_host() { # HOST
	local T=$T/$1 PORT
	PORT=$(free_port)
	port_of[$1]=$PORT
	mkdir -p "$T"/{run,log,scratch}
	write_conf "store s3 $S3_URL/two" "store_keys ${T%/*}/s3.keys" \
		"site_cache $T/cache" "worker $worker-$1" "redis $redis" \
		'site_cache_age 2' 'builds 1' 's3_part 5M'
	ln -s "${T%/*}/git" "${T%/*}/share" "${T%/*}/libexec" "$T"
	site_dir=$T/cache apache_conf >"$T/httpd.conf"
	own "$T"
	DAVIT_CONF=$T/davit.conf $on_host "$1" start "apache-$1" \
		apache2 -f "$T/httpd.conf" -DFOREGROUND
	$on_host "$1" start "davitd-$1" "$DAVIT_LIBEXECDIR/davitd" -c "$T/davit.conf"
}

on() { # HOST COMMAND…: api, site and their like, on that host
	local PORT=${port_of[$1]} URL
	URL=http://127.0.0.1:$PORT
	$on_host "$@"
}

here() { # HOST COMMAND…
	"${@:2}"
}

lives() { # HOST
	[ -n "$(rcli get "davit:lease:$worker-$1" 2>/dev/null)" ] &&
		on "$1" listens
}

start_redis
if [ $on_host = on_network ]; then
	rcli config set protected-mode no >/dev/null
	rcli config set bind "$bridge_ip" >/dev/null
	is "$(rcli config set port "$PORT")" OK 'Redis listens on the bridge'
fi
begin_host a
begin_host b
runs 'the first host is up' poll_until 20 lives a
runs 'so is the second' poll_until 20 lives b

mkdir "$T/tmp/page"
echo '<h1>page</h1>' >"$T/tmp/page/index.html"
echo 'h1 { color: green }' >"$T/tmp/page/style.css"
git_repo page "$T/tmp/page" >"$T/run/url"
build() { # HOST SECONDS: of the repository, as that host has it
	local url=http://127.0.0.1:${port_of[$1]}/git/page.git
	jq -cn --arg url "$url" --arg build "mkdir out && sleep $2 &&
		cp index.html style.css out" \
		'{url: $url, build: $build, output: "out"}'
}

# One build a worker: two that are under way keep both busy.
first=$(on a deploy "$(build a 2)")
second=$(on b deploy "$(build b 2)")
like "$first $second" '^[a-z0-9]{10} [a-z0-9]{10}$' 'both take submissions'
if [ -z "$first" ] || [ -z "$second" ]; then
	done_testing
	exit
fi
is "$(on b wait_final "$first" 120)" deployed \
	"what was submitted on one is seen on the other"
is "$(on a wait_final "$second" 120)" deployed '… and the other way round'
is "$(grep -hc 'deployed in' "$T"/[ab]/log/davitd-[ab] | xargs)" '1 1' \
	'each worker has built one'

for host in a b; do
	for id in "$first" "$second"; do
		is "$(on $host site "$id" /)" '<h1>page</h1>' \
			"$id is served on $host"
	done
done
is "$(on a api GET "/log/$first")" "$(on b api GET "/log/$first")" \
	'the log is the same'
is "$(on a api GET /deployments | jq -c '[.deployments[].id] | sort')" \
	"$(on b api GET /deployments | jq -c '[.deployments[].id] | sort')" \
	'so is the list'

# Apache calls it weak while the file is younger than a second.
etag() { # HOST: of a file, by Apache
	on "$1" site "$first" /style.css -o /dev/null
	on "$1" site "$first" /style.css -o /dev/null -D - | tr -d '\r' |
		sed -En 's|^ETag: (W/)?||Ip'
}
like "$(etag a)" '^"[0-9a-f]+-[0-9a-f]+"$' 'a file is served by Apache'
is "$(etag a)" "$(etag b)" '… with one ETag on both'

stop davitd-a
third=$(on a deploy "$(build a 0)")
is "$(on a wait_final "$third" 120)" deployed 'one worker does for both'
is "$(on b site "$third" /)" '<h1>page</h1>' '… and both serve it'

done_testing
