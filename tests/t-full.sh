#!/bin/bash
# A full disk, a store that is away, a machine that is short of something, and
# a queue that is full: said clearly, waited for, nothing lost.
# shellcheck disable=SC2119

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"

need jq curl git redis-server apache2
need_docker
[ "$(id -u)" -eq 0 ] || skip_all 'only root may mount a small file system'
services_begin
unmount() {
	umount -l "$T/store" 2>/dev/null
	services_end
}
trap unmount EXIT
mount -t tmpfs -o size=4m davit-test "$T/store" 2>/dev/null ||
	skip_all 'no file system can be mounted here'
own "$T/store"

conf() { # [LINE…]: a later davitd's, or after SIGHUP
	write_conf 'disk_floor 0' 'memory_floor 0' 'store_time 3' "$@"
}
conf
start_redis
start_apache
mkdir "$T/tmp/page"
echo '<h1>page</h1>' >"$T/tmp/page/index.html"
url=$(git_repo page "$T/tmp/page")

ask() { # METHOD PATH [CURL OPTION…]: $code, $answer, $T/head
	answer=$(api "$@" -D "$T/head" -w '\n%{http_code}')
	code=${answer##*$'\n'}
	answer=${answer%$'\n'*}
}
post() {
	ask POST /get/url -d "{\"url\": \"$url\"}"
}
field() { # JQ-EXPRESSION
	jq -r "$1" <<<"$answer"
}
refused() { # ERROR NAME
	is "$code $(field .error)" "503 $1" "$2"
	like "$(cat "$T/head")" '[Rr]etry-[Aa]fter: [0-9]' '… and when to try again'
}
objects() {
	find "$T/store" "$T/scratch" -mindepth 1 -type f ! -name filler | sort
}
fill() {
	dd if=/dev/zero of="$T/store/filler" bs=4k 2>/dev/null
}
waits_for() { # ID WHAT
	[ "$(api GET "/status/$1" | jq -r .waiting_for)" = "$2" ]
}
reload() { # [LINE…]
	conf "$@"
	kill -HUP "${pid_of[davitd]}"
}
says() { # ID WORD: in its log
	api GET "/log/$1" | grep -q "$2"
}
copied() { # ID
	[ -s "$T/store/deployments/$1.json" ] &&
		jq -e 'select(.state != "queued")' \
			"$T/store/deployments/$1.json" >/dev/null
}

# --- submissions ---

fill
post
refused store_unavailable 'a full disk: a submission is refused'
is "$(objects)" '' '… and leaves nothing'
rm "$T/store/filler"
conf 'queue_limit 1'
first=$(deploy "$url")
like "$first" '^[a-z0-9]{10}$' 'with room again, it is accepted'
before=$(objects)
# Responders read their configuration at their start.
stop_apache
start_apache
post
refused queue_full 'a full queue: a submission is refused'
is "$(objects)" "$before" '… and leaves nothing'
conf
stop_apache
start_apache

# --- what davitd waits for ---

chmod 0 "$T/store"
start_davitd
runs 'a store that is away is waited for, and the status says so' \
	poll_until 20 waits_for "$first" store
chmod 2770 "$T/store"
is "$(wait_final "$first" 60)" deployed \
	'… and the build is started once it is back'
is "$(api GET "/status/$first" | jq .attempt)" 1 '… for the first time'

started() {
	grep -c 'builds are started again' "$T/log/davitd"
}
more_started() { # than N times
	[ "$(started)" -gt "$1" ]
}
before=$(started)
chmod 0 "$T/store"
missed() {
	[ "$(rcli get "davit:waiting-for:$worker")" = store ]
}
runs 'a store that goes away is missed before anything is taken' \
	poll_until 60 missed
chmod 2770 "$T/store"
runs '… and waited for' poll_until 60 more_started "$before"

reload 'memory_floor 1000G'
poll_until 20 grep -q 'waiting for memory' "$T/log/davitd"
id=$(deploy "$url")
runs 'no build is started without memory, and the status says so' \
	poll_until 20 waits_for "$id" memory
reload 'disk_floor 1000G'
runs '… nor without disk' poll_until 20 waits_for "$id" disk
is "$(api GET "/status/$id" | jq -r '.state + " " + (.attempt | tostring)')" \
	'queued 1' '… and it waits'
rcli set "davit:lease:$worker-other" 1 PX 60000 >/dev/null
rcli sadd davit:workers "$worker-other" >/dev/null
is "$(api GET "/status/$id" | jq -r .waiting_for)" null \
	'… for nothing, while another worker has all it needs'
rcli del "davit:lease:$worker-other" >/dev/null
reload
is "$(wait_final "$id" 60)" deployed '… and is built when there is some'

# --- a disk that is full when it comes to publishing ---

big() { # SECONDS: the job of a site of some size
	jq -cn --arg url "$url" --arg build "echo marker; sleep $1; mkdir out
		head -c 1M /dev/urandom >out/index.html" \
		'{url: $url, build: $build, output: "out"}'
}
id=$(deploy "$(big 2)")
poll_until 60 says "$id" '^marker'
fill
is "$(wait_final "$id" 90)" failed 'a build that finds no room fails'
is "$(api GET "/status/$id" | jq -r .error.code)" store_unavailable \
	'… by its name'
like "$(api GET "/log/$id")" 'marker.*trying again in' \
	'… after some tries, with its log'
is "$(site "$id" / -o /dev/null -w '%{http_code}')" 404 '… and no site'
rm "$T/store/filler"
runs 'log and record are in the store once there is room' \
	poll_until 90 copied "$id"
like "$(cat "$T/store/logs/$id.txt")" marker '… all of it'
is "$(ls -d "$T/store/dist/$id" 2>/dev/null)" '' '… and no part of the site'

reload 'store_time 60'
id=$(deploy "$(big 2)")
poll_until 60 says "$id" '^marker'
fill
poll_until 60 says "$id" 'trying again in'
rm "$T/store/filler"
is "$(wait_final "$id" 90)" deployed \
	'a build that finds room in time is deployed'
is "$(api GET "/status/$id" | jq -r .attempt)" 1 '… without being built again'

done_testing
