#!/bin/bash
# quickstart.sh - from nothing to a live site, on Debian 12 or 13, as root.
#
# Everything it starts is private to one directory and ends with "stop".

set -uo pipefail
source_dir=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/steps.sh
. "$source_dir/scripts/steps.sh"
# shellcheck source=scripts/httpd.sh
. "$source_dir/scripts/httpd.sh"

port=${DAVIT_PORT:-8080}
docker_socket=${DAVIT_DOCKER_SOCKET:-/var/run/docker.sock}
user=www-data domain=davit.localhost

usage() {
	cat <<-END
		usage: ./quickstart.sh [URL]	deploy a repository; examples/vite without one
		       ./quickstart.sh stop	end all that was started
		       ./quickstart.sh restart	stop, then start without deploying
		       ./quickstart.sh status	what runs
		       ./quickstart.sh --help

		environment:
		  DAVIT_PORT=$port		the web server's port on 127.0.0.1; without
		  				it the one of the last start
		  DAVIT_DIR=.quickstart		the directory for all state
		  DAVIT_STORE='dir …/store'	the "store" line of davit.conf, or
		  				's3 https://host/bucket'; and for that
		  DAVIT_STORE_KEYS		a file: access key and secret, a line each
		  DAVIT_BUILD_ALLOW_HOSTS	private hosts that builds may reach
	END
}

# The state has to be reachable for the web server's user, and short enough for
# sockets (107 bytes).  Where the given place is not, as below a closed /root,
# it is kept in /var/lib, with a link to it where it was wanted.
choose_directory() {
	local wanted hash
	as_user=(setpriv "--reuid=$user" "--regid=$user" --clear-groups)
	wanted=$(realpath -m "${DAVIT_DIR:-$source_dir/.quickstart}")
	mkdir -p "$wanted" || die "cannot make $wanted" 'give another DAVIT_DIR'
	[ -L "${DAVIT_DIR:-$source_dir/.quickstart}" ] || chmod 755 "$wanted"
	dir=$wanted
	if [ ${#dir} -gt 60 ] || ! "${as_user[@]}" test -x "$dir/."; then
		hash=$(printf %s "$wanted" | sha256sum)
		dir=/var/lib/davit-quickstart-${hash:0:8}
		mkdir -p "$dir"
		rmdir "$wanted" 2>/dev/null
		ln -sfn "$dir" "$wanted"
		moved="$wanted is out of $user's reach: state is in $dir"
	fi
	log_dir=$dir/log
	[ -n "${DAVIT_PORT:-}" ] || port=$(last_port)
	url=http://127.0.0.1:$port
	worker=quickstart-$(printf %s "$dir" | sha256sum | cut -c 1-8)
	store=${DAVIT_STORE:-dir $dir/store}
	keys=${DAVIT_STORE_KEYS:+$(realpath -m "$DAVIT_STORE_KEYS")}
	cd "$dir" || exit
}

last_port() {
	local last=''
	[ ! -r "$dir/davit.conf" ] ||
		last=$(sed -n 's/^site_port *//p' "$dir/davit.conf")
	echo "${last:-$port}"
}

# What services write to is theirs.  The rest is root's: nobody else chooses
# the pids that root kills and the names under which root writes.
make_directories() {
	mkdir -p "$dir"/{log,run,git} "$dir"/{redis,scratch,store,cache,sites}
	chown "$user:$user" "$dir"/{redis,scratch,store,cache,sites}
	site_dir=$dir/sites
	case $store in
	"dir $dir/store") site_dir=$dir/store ;;
	"dir "*)
		site_dir=${store#dir }
		install -d -o "$user" -g "$user" "$site_dir"
		;;
	esac
}

# --- services: each has a pid file of its pid and that process's start ---

born() { # PID: its start, which tells it from a later process of that number
	sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20
}

pid_of() { # NAME: while it runs
	local pid='' start=''
	[ -r "$dir/run/$1" ] && read -r pid start <"$dir/run/$1"
	[ -n "$pid" ] && ! ended "$pid" && [ "$(born "$pid")" = "$start" ] &&
		echo "$pid"
}

launch() { # NAME COMMAND…: in a session of its own
	local name=$1
	shift
	setsid "$@" >>"$log_dir/$name.service.log" 2>&1 </dev/null &
	printf '%d %s\n' $! "$(born $!)" >"$dir/run/$name"
}

# Start it unless it runs, and see it answer.
service() { # NAME PROBE COMMAND…
	local name=$1 probe=$2
	shift 2
	if pid_of "$name" >/dev/null && "$probe"; then
		echo "runs already"
		return
	fi
	stop_service "$name"
	launch "$name" "$@"
	wait_for 15 decided "$name" "$probe" || :
	pid_of "$name" >/dev/null && "$probe" && echo started && return
	tail -n 15 "$log_dir/$name.service.log"
	stop_service "$name"
	return 1
}

decided() { # NAME PROBE: it answers, or has ended
	"$2" || ! pid_of "$1" >/dev/null
}

stop_service() { # NAME
	local pid
	pid=$(pid_of "$1") || return 0
	kill "$pid"
	wait_for 20 ended "$pid" || kill -KILL "$pid"
	rm -f "$dir/run/$1"
}

redis_answers() {
	[ "$(redis-cli -s "$dir/redis/redis.sock" ping 2>/dev/null)" = PONG ]
}

# Another server may have the port, and answer as well.
apache_answers() {
	[ "$(cat "$dir/run/apache.pid" 2>/dev/null)" = "$(pid_of apache)" ] &&
		curl -s -o /dev/null --noproxy '*' --max-time 5 "$url/"
}

davitd_lives() {
	[ -n "$(redis-cli -s "$dir/redis/redis.sock" \
		get "davit:lease:$worker" 2>/dev/null)" ]
}

start_redis() {
	service redis redis_answers "${as_user[@]}" redis-server --port 0 \
		--unixsocket "$dir/redis/redis.sock" --dir "$dir/redis" \
		--appendonly yes --save ''
}

start_apache() {
	{
		httpd_conf "$dir" "$port"
		cat <<-END
			User $user
			Group $user
			ErrorLog $log_dir/apache.service.log
			Define DAVIT_DOMAIN $domain
			Define DAVIT_PORT $port
			Define DAVIT_CONF $dir/davit.conf
			Define DAVIT_STORE_DIR $site_dir
			Define DAVIT_LIBEXECDIR $dir/prefix/libexec/davit
			Include $dir/prefix/share/davit/apache/davit.conf
		END
	} >"$dir/httpd.conf"
	apache2 -t -f "$dir/httpd.conf"
	service apache apache_answers \
		apache2 -f "$dir/httpd.conf" -DFOREGROUND
}

start_davitd() {
	local group
	group=$(stat -L -c %g "$docker_socket")
	# With the eyes of the one who will use the store.
	"${as_user[@]}" "$dir/prefix/sbin/davitd" -n -c "$dir/davit.conf"
	service davitd davitd_lives \
		setpriv "--reuid=$user" "--regid=$user" \
		"--groups=$user,$group" -- \
		"$dir/prefix/sbin/davitd" -c "$dir/davit.conf"
}

# --- steps ---

build_and_install() {
	local old
	build "$dir/build" --prefix="$dir/prefix" --sysconfdir="$dir/etc"
	old=$(installed)
	make install
	# What runs with other programs has to start anew.
	[ "$old" = "$(installed)" ] || stop_davit
	echo "installed in $dir/prefix"
}

installed() { # the sum of all programs
	{ cat "$dir"/prefix/{sbin,libexec/davit}/* || :; } 2>/dev/null | sha256sum
}

configure() {
	local lines=''
	if [ -n "$keys" ]; then
		# The original may be for root's eyes alone.
		cmp -s "$keys" "$dir/store.keys" || stop_davit
		install -m 640 -o root -g "$user" "$keys" "$dir/store.keys"
		lines="store_keys    $dir/store.keys"
	fi
	if [ "$site_dir" = "$dir/sites" ]; then
		lines+=$'\n'"site_cache    $site_dir"
	fi
	cat >"$dir/davit.conf.new" <<-END
		# made by quickstart.sh; 127.0.0.1 may be fetched from, for examples/vite
		allow_hosts   127.0.0.1
		domain        $domain
		site_scheme   http
		site_port     $port
		redis         unix:$dir/redis/redis.sock
		store         $store
		$lines
		scratch       $dir/scratch
		cache         $dir/cache
		docker        unix:$docker_socket
		${DAVIT_BUILD_ALLOW_HOSTS:+build_allow_hosts $DAVIT_BUILD_ALLOW_HOSTS}
		build_ca      /etc/ssl/certs/ca-certificates.crt
		worker        $worker
		stop_time     10
	END
	cmp -s "$dir/davit.conf.new" "$dir/davit.conf" || stop_davit
	mv "$dir/davit.conf.new" "$dir/davit.conf"
	echo 'allows fetching from 127.0.0.1 (allow_hosts)'
}

# The bundled example, as a repository that is fetched like any other.
example_repository() {
	local repo=$dir/git/vite.git
	local git=(git -c 'safe.directory=*' -c user.name=davit
		-c "user.email=davit@$domain" "--git-dir=$repo" --work-tree=.)
	cd "$source_dir/examples/vite"
	[ -d "$repo" ] || git init -q --bare "$repo"
	"${git[@]}" add -A -- . ':!node_modules' ':!dist'
	"${git[@]}" diff --cached --quiet HEAD 2>/dev/null ||
		"${git[@]}" commit -q -m 'A Vite site'
	chown -R "$user:$user" "$repo"
	echo "$url/git/vite.git"
}

start_all() {
	make_directories
	step packages 'mend the apt sources in /etc/apt, then run this again' \
		install_packages "$docker_socket" build run image
	step build 'correct what the compiler says, or start clean: rm -r '"$dir/build" \
		build_and_install
	step configure 'see davit.conf(5) in man/' configure
	step docker 'start a Docker engine, or set DAVIT_DOCKER_SOCKET to its socket' \
		start_engine "$docker_socket" "$dir/docker" "$dir/run/engine"
	step network 'see that iptables works for root' \
		guard_network -c "$dir/davit.conf"
	step image 'read its words above; they name the cure' \
		make_image "$docker_socket"
	step redis "read $log_dir/redis.service.log" start_redis
	step apache "is port $port taken? set DAVIT_PORT to another" start_apache
	step davitd "read $log_dir/davitd.service.log" start_davitd
	step example 'see that git works for root' example_repository
}

# --- one deployment ---

api() { # METHOD PATH [CURL OPTION…]
	local method=$1 path=$2
	shift 2
	curl -sS --noproxy '*' --max-time 120 -H "Host: $domain:$port" \
		-X "$method" "$@" "$url$path"
}

deploy() { # URL
	local answer
	printf '\n%sdeploying %s%s\n' "$bold" "$1" "$plain"
	answer=$(api POST /get/url -H 'Content-Type: application/json' \
		-d "$(jq -cn --arg url "$1" '{url: $url}')") ||
		die 'the web server does not answer' \
			"read $log_dir/apache.service.log"
	id=$(jq -r '.id // empty' <<<"$answer" 2>/dev/null)
	[ "$(jq -r .success <<<"$answer" 2>/dev/null)" = true ] ||
		die "not deployed: $(jq -r '.message' <<<"$answer" 2>/dev/null ||
			printf %s "$answer")" \
			"$(jq -r '.hint' <<<"$answer" 2>/dev/null ||
				echo "read $log_dir/apache.service.log")"
	follow "$id"
}

# Each stage as it ends, and the log as it grows.
follow() { # ID
	local shown=0 offset=0 record state
	while :; do
		record=$(api GET "/status/$1") ||
			die 'the web server went away' \
				"read $log_dir/apache.service.log"
		show_log "$1"
		show_stages "$record"
		state=$(jq -r '.state // "unknown"' <<<"$record" 2>/dev/null)
		case $state in
		deployed) return ;;
		fetching | queued | building | publishing) sleep 0.2 ;;
		*) explain "$1" "$state" "$record" ;;
		esac
	done
}

show_stages() { # RECORD
	local name ms state
	while read -r name ms state; do
		line "$name" "$ms" "$state"
		shown=$((shown + 1))
	done < <(jq -r --argjson shown "$shown" '[.stages[]? |
		select(.ended)][$shown:][] |
		"\(.name) \(.ended - .started) \(.state)"' <<<"$1" 2>/dev/null)
}

show_log() { # ID
	local head=$dir/run/head body=$dir/run/body next
	api GET "/log/$1?offset=$offset" -D "$head" -o "$body" || return 0
	next=$(tr -d '\r' <"$head" |
		sed -n 's/^x-log-offset: *\([0-9]*\)$/\1/Ip')
	[ "${next:-$offset}" -gt "$offset" ] || return 0
	offset=$next
	# What a build does to a terminal is not done to this one.
	sed $'s/\e\\[[0-9;?]*[A-Za-z]//g' "$body" | tr -d '\000-\010\013-\037' |
		sed "s/^/$dim  | /; s/\$/$plain/"
}

explain() { # ID STATE RECORD
	die "deployment $1 is $2: $(jq -r '.error | if type == "object"
		then "\(.code): \(.message)" else tostring end' <<<"$3")" \
		"$(jq -r '.error.hint? // .hint? // "read the log above"' \
			<<<"$3") (log: $url/log/$1)"
}

site_answers() {
	curl -sf -o /dev/null --noproxy '*' --max-time 5 \
		-H "Host: $id.$domain:$port" "$url/"
}

show_result() {
	wait_for 10 site_answers ||
		die "deployment $id has no site at its address" \
			"read $log_dir/apache.service.log"
	printf '\n%sEverything runs on; ./quickstart.sh stop ends it.%s\n\n' \
		"$dim" "$plain"
	printf 'id %s\n' "$id"
	printf 'site http://%s.%s:%d/\n' "$id" "$domain" "$port"
	printf 'status http://%s:%d/status/%s\n' "$domain" "$port" "$id"
}

# --- stop and status ---

stop_davit() {
	stop_service davitd
	stop_service apache
}

containers() { # of this worker
	engine_answers "$docker_socket" || return 0
	curl -s --noproxy '*' --unix-socket "$docker_socket" -G \
		-d all=1 --data-urlencode \
		"filters={\"label\":[\"davit.worker=$worker\"]}" \
		http://docker/containers/json |
		grep -o '"Id":"[0-9a-f]*"' | cut -d '"' -f 4
}

stop_all() {
	local container
	stop_davit
	for container in $(containers); do
		curl -s --noproxy '*' --unix-socket "$docker_socket" -X DELETE \
			"http://docker/containers/$container?force=1&v=1"
	done
	stop_service redis
	stop_engine "$dir/run/engine"
	echo "nothing of $dir runs"
}

show_status() {
	local name pid rc=0
	for name in redis apache davitd; do
		if pid=$(pid_of "$name"); then
			printf '%-10s runs, process %d\n' "$name" "$pid"
		else
			printf '%-10s does not run\n' "$name"
			rc=3
		fi
	done
	if ! engine_answers "$docker_socket"; then
		printf '%-10s does not answer\n' docker
		rc=3
	elif [ -s "$dir/run/engine" ]; then
		printf '%-10s runs, started from here\n' docker
	else
		printf "%-10s runs, somebody else's\n" docker
	fi
	printf '%-10s %s\n' state "$dir" web "http://$domain:$port/"
	return $rc
}

main() {
	local moved=''
	case ${1:-} in
	-h | --help | help) usage && exit 0 ;;
	stop | restart | status) [ $# -eq 1 ] || { usage >&2 && exit 64; } ;;
	'' | *://* | *@*:*) [ $# -le 1 ] || { usage >&2 && exit 64; } ;;
	*) usage >&2 && exit 64 ;;
	esac
	[[ $port =~ ^[1-9][0-9]{0,4}$ ]] ||
		die "DAVIT_PORT is no port: $port" 'give a number, such as 8080'
	need_root
	choose_directory
	case ${1:-} in
	status) show_status ;;
	stop | restart)
		step stop 'see what still runs: ./quickstart.sh status' stop_all
		[ "$1" = stop ] || start_all
		;;
	*)
		[ -z "$moved" ] || echo "$moved"
		start_all
		deploy "${1:-$url/git/vite.git}"
		show_result
		;;
	esac
}

main "$@"
