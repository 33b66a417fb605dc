#!/bin/bash
# Redis loses everything, is full, read-only, locked, loading, slow, or cut off
# in mid-word: what is live stays so, nothing is lost, nobody spins.
# shellcheck disable=SC2119

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"

need jq curl git redis-server redis-cli apache2 perl
need_docker
services_begin
REDIS=unix:$T/proxy.sock
write_conf
line() { # MODE…
	echo "$*" >"$T/line.new"
	mv "$T/line.new" "$T/line"
}
line pass
: >"$T/line.heard"
own "$T/line.heard"
start_redis
start proxy perl "$T/share/redis_proxy.pl" "$T/proxy.sock" "$T/redis.sock" \
	"$T/line"
must_start proxy test -S "$T/proxy.sock"
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
settled() { # ID: with a final record
	jq -e 'select(.state == "deployed")' \
		"$T/store/deployments/$1.json" >/dev/null 2>&1
}
filled() {
	[ "$(rcli exists davit:filled)" = 1 ]
}
# Whole ones; those half-written are counted once davitd had time to end its
# own, of what ended before.
objects() {
	find "$T/store" -path "$T/store/tmp" -prune -o -type f -print | sort
}
none_half_written() {
	[ -z "$(find "$T/store/tmp" -type f)" ]
}
nothing_new() { # BEFORE
	is "$(objects)" "$1" '… and leaves nothing'
	poll_until 20 none_half_written ||
		not_ok "… not even half of it" "$(find "$T/store/tmp")"
}
deployed() { # ID NAME
	is "$(wait_final "$1" 60)" deployed "$2"
	poll_until 20 settled "$1"
}

# --- everything is lost while davitd is down ---

start_davitd
poll_until 20 filled
ok 'a new Redis is filled, with nothing'
done_id=$(deploy "$url")
deployed "$done_id" 'a site is deployed'
stop_davitd
waiting=$(deploy "$(jq -cn --arg url "$url" '{url: $url, env: {A: "hush"}}')")
second=$(deploy "$url")
log=$(api GET "/log/$done_id")
rcli flushall >/dev/null
is "$(site "$done_id" /)" '<h1>page</h1>' 'its site is served without Redis'
is "$(state "$done_id")" deployed 'its state comes from the store'
is "$(api GET "/log/$done_id")" "$log" '… and so does its log'
is "$(state "$waiting")" queued 'one that waited is still known'
unlike "$(api GET "/status/$waiting")" hush '… without its environment'
ask POST "/deployments/$done_id/cancel"
is "$code" 409 'what has ended is not canceled'

start_davitd
deployed "$waiting" 'one that waited is built'
deployed "$second" 'and the next one'
is "$(api GET "/status/$waiting" | jq .attempt)" 2 '… as the next attempt'
is "$(grep -o "$second.*: attempt\|$waiting.*: attempt" "$T/log/davitd" |
	cut -c 1-10 | xargs)" "$waiting $second" 'the oldest first'
unlike "$(cat "$T/store/deployments/$waiting.json")" hush \
	'its environment is forgotten'
is "$(api GET /deployments | jq -r '[.deployments[].id] | sort | join(" ")')" \
	"$(printf '%s\n' "$done_id" "$waiting" "$second" | sort | xargs)" \
	'all are listed again'
is "$(api GET "/status/$done_id" | jq -r .commit.subject)" first \
	'with what was known of them'

# --- while davitd runs; and by hand ---

rcli flushall >/dev/null
poll_until 20 filled
is "$(rcli zcard davit:deployments)" 3 'davitd sees that Redis was emptied'
id=$(deploy "$url")
deployed "$id" 'and goes on'
stop_davitd
rcli flushall >/dev/null
echo '{]' >"$T/store/deployments/aaaaaaaaaa.json"
like "$("$T/libexec/davitd" -c "$T/davit.conf" --rebuild 2>&1)" \
	'aaaaaaaaaa.json.*left out.*4 records put back, 0 of them wait' \
	'davitd --rebuild tells what it did, and what it could not'
is "$(rcli zcard davit:deployments)" 4 '… and did it'
rm "$T/store/deployments/aaaaaaaaaa.json"

# --- Redis that refuses ---

start_davitd
ticks() { # of davitd, in hundredths of a second
	local user system
	read -r user system < <(cut -d ' ' -f 14,15 \
		"/proc/${pid_of[davitd]}/stat")
	echo $((user + system))
}
complaints() {
	grep -c 'builds wait for it' "$T/log/davitd"
}
complains() { # more than N times
	[ "$(complaints)" -gt "$1" ]
}
heard() { # how many commands the proxy has answered with an error
	wc -l <"$T/line.heard"
}
# What everybody says while Redis is away, and that it is over after MEND.
away() { # NAME WORDS MEND…
	local name=$1 words=$2 before spent asked
	shift 2
	before=$(objects)
	post
	is "$code $(field .error)" '503 unavailable' "$name: a submission is refused"
	like "$(field .message)" "$words" '… in words that tell why'
	like "$(cat "$T/head")" '[Rr]etry-[Aa]fter: [0-9]' '… and when to try again'
	nothing_new "$before"
	ask GET /healthz
	is "$code $(field .redis)" '503 does not answer' '… and health says so'
	is "$(site "$done_id" /)" '<h1>page</h1>' '… while sites are served'
	poll_until 20 complains "$count"
	ok '… and davitd says that builds wait'
	spent=$(ticks)
	asked=$(heard)
	sleep 1
	spent=$(($(ticks) - spent))
	asked=$(($(heard) - asked))
	runs '… without spinning' test "$spent" -lt 60
	runs '… nor asking much' test "$asked" -lt 15
	"$@" >/dev/null
	id=$(deploy "$url")
	deployed "$id" "$name: over, and all goes on"
}

count=$(complaints)
rcli config set maxmemory 1 >/dev/null
away 'Redis is full' OOM rcli config set maxmemory 0
count=$(complaints)
rcli replicaof 127.0.0.1 1 >/dev/null
away 'Redis is a replica' READONLY rcli replicaof no one
count=$(complaints)
rcli config set requirepass sesame >/dev/null
rcli -a sesame --no-auth-warning client kill type normal >/dev/null
away 'Redis wants a password' NOAUTH \
	rcli -a sesame --no-auth-warning config set requirepass ''
count=$(complaints)
line refuse
rcli client kill type normal >/dev/null
away 'Redis hangs up' 'proxy.sock: [A-Z]' line pass

# --- what a test cannot make a Redis say for as long as it likes ---

for words in \
	'BUSY Redis is busy running a script. You can only call SCRIPT KILL.' \
	'MASTERDOWN Link with MASTER is down.' \
	'ERR max number of clients reached'; do
	before=$(objects)
	line say "$words"
	post
	is "$code $(field .error)" '503 unavailable' \
		"${words%% *}: a submission is refused"
	like "$(field .message)" "$words" '… in its words'
	line pass
	nothing_new "$before"
done

# As after a restart of the machine: davitd is up before Redis has read all.
stop_davitd
waiting=$(deploy "$url")
count=$(complaints)
line say 'LOADING Redis is loading the dataset in memory'
start davitd "$T/libexec/davitd" -c "$T/davit.conf"
away 'Redis is loading' LOADING line pass
deployed "$waiting" '… and what waited in it is deployed'
is "$(rcli llen build-queue) $(rcli llen "davit:taken:$worker")" '0 0' \
	'… nothing is forgotten in a list'

# --- Redis that is slow, or cut off ---

line slow 400
id=$(deploy "$url")
line pass
deployed "$id" 'a slow Redis: the deployment is accepted, and deployed'
before=$(objects)
line slow 6000
post
is "$code $(field .error)" '503 unavailable' \
	'too slow a Redis: a submission is refused'
like "$(field .message)" 'no answer in time' '… in words that tell why'
line pass
nothing_new "$before"

# The check passes, the submission's own answer does not; nor does the look
# whether it is there.  (Without the look for a source to use again, which
# would get the cut.)
known() { # the ids of all records
	rcli --raw zrange davit:deployments 0 -1 | sort
}
all_final() {
	local id
	for id in $(known); do
		is_final "$id" || return
	done
}
for bytes in 0 3 5 7 9; do
	line cut "$bytes"
	rcli client kill type normal >/dev/null
	ask POST /get/url -d "{\"url\": \"$url\", \"cache\": false}"
	is "$code" 503 "cut after $bytes bytes: refused"
done
line pass
poll_until 60 all_final
is "$(for id in $(known); do state "$id"; done | sort -u)" deployed \
	'what had come through is deployed all the same'
id=$(deploy "$url")
deployed "$id" 'and all goes on'

done_testing
