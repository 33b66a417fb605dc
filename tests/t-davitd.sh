#!/bin/bash
# davitd with a real Redis and store, and a davit-build that plays faults.

# shellcheck disable=SC2119

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"
need redis-server redis-cli jq

services_begin
start_redis
gates=$T/gates		# a build that waits for gate X goes on once it is there
cleaned=$T/run/cleaned	# ids of davit-build --clean
mkdir "$gates"
: >"$cleaned"
own "$gates" "$cleaned"

# What it plays is the "build" command of its job.
cat >"$T/libexec/davit-build" <<END
#!/bin/bash
gates=$gates
[[ \$1 != --ready* ]] || exit 0
[ "\$1" != --clean ] || { echo "\$2" >>$cleaned; exit 0; }
END
cat >>"$T/libexec/davit-build" <<'END'
job=$(cat)
id=$(jq -r .id <<<"$job")
attempt=$(jq -r .attempt <<<"$job")

tell() { # EVENT: leaves where it is not to go on
	printf '%s\n' "$1" >&3
	read -r answer <&3
	[ "$answer" = '{"go": true}' ] || exit 0
}
gate() {
	until [ -e "$gates/$1" ]; do sleep 0.05; done
}
deploy() {
	tell '{"state": "publishing", "stage": "publish"}'
	tell '{"commit": true}'
	tell '{"done": "deployed", "files": 3, "bytes": 42}'
	exit 0
}

tell '{"state": "building", "stage": "prepare"}'
tell '{"plan": {"rule": "fake"}}'
echo "attempt $attempt of $id"
tell '{"stage": "build"}'
case $(jq -r .build <<<"$job") in
deploy)	jq -r '"env " + .env.TOKEN' <<<"$job" ;;
fail)	printf '\033[31mit broke\033[0m\n'
	tell '{"done": "failed", "error": "build_failed", "message": "exit 2"}'
	exit 0 ;;
crash)	kill -SEGV $$ ;;
crash1)	[ "$attempt" != 1 ] || gate never ;;
deaf)	trap '' TERM; gate never ;;
hang)	gate never ;;
retry)	[ -e "$gates/docker" ] || {
		tell '{"done": "retry", "message": "no Docker"}'
		exit 0
	} ;;
gate)	gate "$id" ;;
flood)	gate "$id"; seq 100000; : >"$gates/flooded" ;;
babble)	head -c 300000 /dev/zero | tr '\0' x >&3; gate never ;;
nonsense) echo '{]' >&3; read -r answer <&3 ;;
esac
deploy
END
chmod 755 "$T/libexec/davit-build"

submit() { # ID BUILD
	rcli hset "davit:deployment:$1" id "$1" state queued attempt 1 \
		created 1 url https://git.example.org/a build "$2" \
		env '{"TOKEN":"hush"}' >/dev/null
	rcli lpush build-queue "$1" >/dev/null
}
get() { # ID FIELD
	rcli hget "davit:deployment:$1" "$2"
}
is_in() { # ID STATE
	[ "$(get "$1" state)" = "$2" ]
}
has_begun() { # ID
	[ -n "$(get "$1" build.started)" ]
}
ends() { # ID STATE NAME [SECONDS]
	poll_until "${4:-10}" is_in "$1" "$2"
	is "$(get "$1" state)" "$2" "$3"
}
open_gate() {
	: >"$gates/$1"
}
stored() { # ID: its durable record
	cat "$T/store/deployments/$1.json" 2>/dev/null
}
is_settled() {
	[ -n "$(stored "$1")" ] && [ "$(rcli scard davit:settling)" = 0 ]
}
says() { # REGEX: in davitd's log
	grep -qE "$1" "$T/log/davitd"
}
count_cleaned() {
	grep -c "$1" "$cleaned"
}

# --- the configuration

write_conf 'log_bytes 1M'
like "$("$T/libexec/davitd" -n -c "$T/davit.conf")" "worker $worker, 2 builds" \
	'davitd -n tells what it found'
write_conf 'builds many'
like "$("$T/libexec/davitd" -n -c "$T/davit.conf" 2>&1; echo "exit $?")" \
	'davit.conf:1: builds: .*exit 1' 'davitd -n tells what is wrong'
write_conf 'log_bytes 1M'

# --- a build that goes well

start_davitd
submit deploy0000 deploy
ends deploy0000 deployed 'a build is deployed'
poll_until 10 is_settled deploy0000
is "$(stored deploy0000 | jq -c '[.state, .files, .bytes, .plan.rule,
	.attempt, ([.stages[] | select(.state == "done").name] | join(" "))]')" \
	'["deployed",3,42,"fake",1,"prepare build publish"]' \
	'its record is in the store'
is "$(cat "$T/store/logs/deploy0000.txt")" "$(printf '%s\n' \
	'attempt 1 of deploy0000' 'env hush')" 'its log is in the store'
unlike "$(rcli hgetall davit:deployment:deploy0000; stored deploy0000)" hush \
	'its environment is kept nowhere'
is "$(rcli exists davit:log:deploy0000 davit:taken:"$worker")" 0 \
	'Redis holds neither its log nor its id'

# --- builds that go wrong

submit fail000000 fail
submit crash00000 crash
submit babble0000 babble
submit nonsense00 nonsense
ends fail000000 failed 'a build fails'
is "$(get fail000000 error), $(get fail000000 message)" 'build_failed, exit 2' \
	'with its code and message'
is "$(get fail000000 error_tail)" $'attempt 1 of fail000000\nit broke' \
	"with the log's last lines, plain"
is "$(get fail000000 build.failed)" 1 'and the stage that failed'
ends crash00000 failed 'a build that crashes each time fails'
is "$(get crash00000 error), attempt $(get crash00000 attempt)" \
	'worker_lost, attempt 3' 'after three attempts'
is "$(count_cleaned crash00000)" 3 'and is cleaned up after each'
ends babble0000 failed 'endless events are a crash'
ends nonsense00 deployed 'an event that is none is not passed on'

# --- strangers in the queue

rcli lpush build-queue nosuchid00 'not an id' >/dev/null
submit after00000 deploy
ends after00000 deployed 'what is no id in the queue stops nothing'
is "$(rcli llen "davit:taken:$worker")" 0 'and stays in nobody'\''s hand'

# --- bounds

submit gate000001 gate
submit gate000002 gate
submit gate000003 deploy
poll_until 10 has_begun gate000001
poll_until 10 has_begun gate000002
is "$(rcli lrange build-queue 0 -1)" gate000003 'a third build waits for a slot'
open_gate gate000001
ends gate000003 deployed 'until one is free'
open_gate gate000002
ends gate000002 deployed 'and the other goes on'

# --- cancel

submit hang000000 hang
submit deaf000000 deaf
poll_until 10 has_begun hang000000
poll_until 10 has_begun deaf000000
rcli mset davit:cancel:hang000000 1 davit:cancel:deaf000000 1 >/dev/null
ends hang000000 canceled 'a running build is canceled'
ends deaf000000 canceled 'even where it does not hear SIGTERM'
is "$(count_cleaned deaf000000)" 1 'and then it is cleaned up'
is "$(rcli exists davit:cancel:hang000000 davit:cancel:deaf000000)" 0 \
	'the wish is forgotten'

# --- Docker away

submit retry00000 retry
poll_until 10 says 'no Docker; the next build'
open_gate docker
ends retry00000 deployed 'a build that Docker was away for is tried again'
is "$(get retry00000 attempt)" 1 'as the same attempt'

# --- Redis away

submit flood00000 flood
poll_until 10 has_begun flood00000
rcli hset davit:deployment:orphan0000 id orphan0000 state queued attempt 1 \
	build deploy >/dev/null
rcli lpush "davit:taken:$worker" orphan0000 >/dev/null
kill -KILL "${pid_of[redis]}"
wait "${pid_of[redis]}" 2>/dev/null
open_gate flood00000
poll_until 10 says 'builds wait for it'
ok 'davitd says that Redis is away'
poll_until 1 test -e "$gates/flooded"
is $? 1 'and holds back a build that has more to tell than it keeps'
start_redis
ends flood00000 deployed 'a build outlives a Redis that was killed'
poll_until 10 is_settled flood00000
is "$(cat "$T/store/logs/flood00000.txt")" \
	"$(echo 'attempt 1 of flood00000'; seq 100000)" 'and its log is whole'
is "$(grep -c 'flood00000.*: attempt' "$T/log/davitd")" 1 'built once'
ends orphan0000 deployed 'an id whose taking was never heard of is built'
is "$(get orphan0000 attempt)" 1 'as the same attempt'

# --- davitd killed

submit lost000000 crash1
poll_until 10 has_begun lost000000
kill -KILL "${pid_of[davitd]}"
wait "${pid_of[davitd]}" 2>/dev/null
start_davitd
ends lost000000 deployed 'what a killed davitd had in hand is built again'
is "$(get lost000000 attempt)" 2 'as the next attempt'
is "$(count_cleaned lost000000)" 1 'after cleaning up'

# --- another worker's ids

rcli sadd davit:workers gone >/dev/null
rcli hset davit:deployment:gone000000 id gone000000 state building attempt 1 \
	worker gone build deploy >/dev/null
rcli lpush davit:taken:gone gone000000 >/dev/null
ends gone000000 deployed 'what a dead worker held is built here'
is "$(get gone000000 attempt)" 2 'as the next attempt'

# --- reload and stop

write_conf 'builds none'
kill -HUP "${pid_of[davitd]}"
poll_until 10 says 'the old configuration stays'
ok 'a bad configuration is not taken over'
write_conf 'stop_time 1' 'builds 1'
kill -HUP "${pid_of[davitd]}"
poll_until 10 says 'read again: 1 builds'
ok 'a good one is'

submit gate000004 gate
poll_until 10 has_begun gate000004
submit wait000000 deploy
kill -TERM "${pid_of[davitd]}"
poll_until 10 says 'stopping: 1 builds'
open_gate gate000004
wait "${pid_of[davitd]}"
is $? 0 'SIGTERM ends davitd'
is "$(get gate000004 state)" deployed 'after the build that ran'
is "$(rcli lrange build-queue 0 -1)" wait000000 'and it takes no more'
rcli del build-queue >/dev/null

start_davitd
submit hang000001 hang
poll_until 10 has_begun hang000001
stop_davitd
is $? 0 'a build that does not end in time does not hold it'
is "$(get hang000001 state), attempt $(get hang000001 attempt)" \
	'queued, attempt 1' 'and goes back to the queue as the same attempt'
is "$(rcli lrange build-queue 0 -1)" hang000001 'where others find it'

done_testing
