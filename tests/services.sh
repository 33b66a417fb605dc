# services.sh - real services for a test, all in one directory, to be sourced
# after tap.sh.
#
#	services_begin		$T, $PORT, $worker; all ends with the script
#	write_conf [LINE…]	$T/davit.conf; a LINE replaces the default's
#	start_redis stop_redis restart_redis; rcli COMMAND…
#	start_apache [LINE…] stop_apache; start_lighttpd [LINE…] stop_lighttpd
#	start_apache_proxy [LINE…] (then stop_apache); start_nginx stop_nginx
#	start_davitd [OPTION…] stop_davitd
#	git_repo NAME DIRECTORY	a bare repository; prints its URL
#	api METHOD PATH [CURL OPTION…]; deploy URL|JSON; wait_final ID SECONDS
#
# Started by root, everything runs as www-data: Apache's children have to, and
# with one user for all no file is anybody else's.  davit's programs run as
# copies in $T/libexec, so that it does not matter who may enter the build
# tree, and what still runs at the end is known by its path.  At the end a
# sanitizer's report in $T/log, and a process left over, are failures.

# shellcheck shell=bash disable=SC2034

: "${top_srcdir:=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}"
: "${top_builddir:=$top_srcdir}"
export PATH=$PATH:/usr/sbin:/sbin
# shellcheck source=../scripts/httpd.sh
. "$top_srcdir/scripts/httpd.sh"
docker_socket=${DAVIT_DOCKER_SOCKET:-/var/run/docker.sock}

services_begin() {
	local name program
	name=$(basename "$0" .sh)
	worker=test-${name#t-}-$$
	T=$(mktemp -d /tmp/davit.XXXXXX) || exit 1
	trap services_end EXIT
	trap 'exit 1' INT TERM HUP
	tap_at_end=services_verdict
	chmod 755 "$T"
	mkdir "$T/log" "$T/run" "$T/git" "$T/store" "$T/scratch" "$T/tmp" \
		"$T/libexec" "$T/share"
	for program in "$top_builddir"/fcgi/*.fcgi \
		"$top_builddir"/worker/davit{d,-build,-fetch}; do
		[ ! -x "$program" ] || cp "$program" "$T/libexec"
	done
	cp "$top_srcdir/worker/frameworks" "$T/share"
	for program in "$top_builddir"/apache/{*.conf,types} \
		"$top_srcdir"/apache/site.lua "$top_srcdir"/tests/*.pl; do
		[ ! -e "$program" ] || cp "$program" "$T/share"
	done
	: >"$T/davit.conf"
	own "$T"
	as_user=()
	if [ "$(id -u)" -eq 0 ]; then
		as_user=(--reuid=www-data --regid=www-data
			--groups="www-data$(docker_group)")
	fi
	as_user=(setpriv --pdeathsig TERM "${as_user[@]}")
	PORT=$(free_port)
	URL=http://127.0.0.1:$PORT
	REDIS=unix:$T/redis.sock
	export TMPDIR=$T/tmp DAVIT_CONF=$T/davit.conf
	export DAVIT_LIBEXECDIR=$T/libexec DAVIT_PKGDATADIR=$T/share
	export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}log_path=$T/log/asan"
	export UBSAN_OPTIONS="print_stacktrace=1:log_path=$T/log/ubsan"
}

# Make the services' user the owner.
own() { # PATH…
	[ "$(id -u)" -ne 0 ] || chown -R www-data:www-data "$@"
}

# ",GROUP" of the engine's socket, so that davitd may talk to it.
docker_group() {
	[ ! -S "$docker_socket" ] || stat -L -c ,%g "$docker_socket"
}

# Below the ephemeral range, where no outgoing connection may take it.
free_port() {
	perl -MIO::Socket::INET -e 'for (1 .. 100) {
		my $port = 20000 + int(rand(12000));
		IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 1,
		    LocalPort => $port) and print("$port\n"), exit 0;
	} exit 1'
}

# --- processes ---

declare -A pid_of

start() { # NAME COMMAND…: in the background, its words in $T/log/NAME
	local name=$1
	shift
	: >>"$T/log/$name"
	own "$T/log/$name"
	# The directory that make is in may be closed to the services' user.  A
	# session of its own, since Apache's prefork ends all of its group.
	(cd "$T" && exec setsid "${as_user[@]}" "$@") \
		>>"$T/log/$name" 2>&1 </dev/null &
	pid_of[$name]=$!
}

gone() { # PID
	! kill -0 "$1" 2>/dev/null
}

stop() { # NAME: SIGTERM, SIGKILL after 10 s; its exit status
	local pid=${pid_of[$1]:-}
	[ -n "$pid" ] || return 0
	unset "pid_of[$1]"
	kill "$pid" 2>/dev/null
	poll_until 10 gone "$pid" || kill -KILL "$pid"
	wait "$pid" 2>/dev/null
}

must_start() { # NAME COMMAND…: until it is true, the service is not up
	local name=$1
	shift
	poll_until 10 "$@" && return
	not_ok "$name starts" "$(tail -n 20 "$T/log/$name")"
	exit 1
}

# Processes that were started from here, by path or by arguments.
leftovers() {
	local p exe
	for p in /proc/[0-9]*; do
		exe=$(readlink "$p/exe") || continue
		if [[ $exe == "$T"/* ]] || grep -qaF "$T/" "$p/cmdline"; then
			printf '%s %s\n' "${p#/proc/}" \
				"$(tr '\0' ' ' <"$p/cmdline")"
		fi
	done 2>/dev/null
}

none_left() {
	[ -z "$(leftovers)" ]
}

services_stop() {
	local name
	for name in davitd lighttpd nginx apache "${!pid_of[@]}"; do
		stop "$name"
	done
	stop_pools
}

# Before the plan: what did the services leave, and what did they report?
services_verdict() {
	local reports
	services_stop
	poll_until "${tap_patience:-5}" none_left || not_ok "no process is left" "$(leftovers)"
	reports=$(grep -rhE -A 20 \
		'ERROR: AddressSanitizer|LeakSanitizer|runtime error:' \
		"$T/log" | head -n 60)
	[ -z "$reports" ] || not_ok "no sanitizer reports" "$reports"
	[ "${tap_failed:?}" -eq 0 ] || show_logs
}

# A failure is seldom understood without them.
show_logs() {
	local log
	for log in "$T"/log/*; do
		[ -s "$log" ] || continue
		diag "--- the end of $(basename "$log")"
		diag "$(tail -n 15 "$log")"
	done
}

services_end() {
	local pid
	trap '' INT TERM HUP
	services_stop
	for pid in $(leftovers | cut -d ' ' -f 1); do
		kill -KILL "$pid" 2>/dev/null
	done
	for pid in $(containers); do
		docker_api DELETE "/containers/$pid?force=1&v=1" >/dev/null
	done
	rm -rf "$T"
}

# --- Docker ---

docker_api() { # METHOD PATH [CURL OPTION…]
	local method=$1 path=$2
	shift 2
	curl -sS --noproxy '*' --max-time 60 --unix-socket "$docker_socket" \
		-X "$method" "$@" "http://docker$path"
}

# Ids of this test's containers.
containers() {
	[ -S "$docker_socket" ] || return 0
	docker_api GET /containers/json -G -d all=1 --data-urlencode \
		"filters={\"label\":[\"davit.worker=$worker\"]}" |
		grep -o '"Id":"[0-9a-f]*"' | cut -d '"' -f 4
}

need_docker() {
	[ "$(docker_api GET /_ping 2>/dev/null)" = OK ] ||
		skip_all "no Docker engine answers on $docker_socket"
	docker_api GET /images/davit/builder:22/json 2>/dev/null |
		grep -q '"Id"' ||
		skip_all "no image davit/builder:22: run worker/image/build-image"
}

need() { # PROGRAM…
	local program
	for program; do
		command -v "$program" >/dev/null || skip_all "no $program"
	done
}

# --- configuration ---

write_conf() { # [LINE…]
	local line key
	{
		printf '%s\n' "$@"
		while read -r line; do
			key=${line%%[[:space:]]*}
			printf '%s\n' "$@" | grep -q "^${key}[[:space:]]" ||
				printf '%s\n' "$line"
		done
	} >"$T/davit.conf" <<-END
		domain davit.test
		site_scheme http
		site_port $PORT
		allow_hosts 127.0.0.1
		redis $REDIS
		store dir $T/store
		scratch $T/scratch
		docker unix:$docker_socket
		build_ca /etc/ssl/certs/ca-certificates.crt
		build_guard no
		worker $worker
		stop_time 5
		lease_time 3
		warm no
		cache none
	END
}

# --- Redis ---

rcli() {
	redis-cli -s "$T/redis.sock" "$@"
}

redis_answers() {
	[ "$(rcli ping 2>/dev/null)" = PONG ]
}

start_redis() {
	need redis-server redis-cli
	start redis redis-server --port 0 --unixsocket "$T/redis.sock" \
		--dir "$T/run" --appendonly yes --appendfsync always --save ''
	must_start redis redis_answers
}

stop_redis() {
	stop redis
}

restart_redis() {
	stop_redis
	start_redis
}

# --- web servers ---

listens() {
	curl -s -o /dev/null --noproxy '*' --max-time 5 "$URL/"
}

apache_conf() { # [LINE…]
	httpd_conf "$T" "$PORT"
	cat <<-END
		ErrorLog $T/log/apache
		Define DAVIT_DOMAIN davit.test
		Define DAVIT_PORT $PORT
		Define DAVIT_HOSTS www.example.org
		Define DAVIT_CONF $T/davit.conf
		Define DAVIT_STORE_DIR ${site_dir:-$T/store}
		Define DAVIT_LIBEXECDIR $T/libexec
		Define DAVIT_PKGDATADIR $T/share
		Define DAVIT_TYPES $T/share/types
		Include $T/share/davit.conf
	END
	printf '%s\n' "$@"
}

start_apache() { # [LINE…]
	need apache2 git
	apache_conf "$@" >"$T/httpd.conf"
	start apache apache2 -f "$T/httpd.conf" -DFOREGROUND
	must_start apache listens
}

stop_apache() {
	stop apache
	stop_pools
}

start_lighttpd() { # [LINE…]
	need lighttpd
	{
		cat <<-END
			server.document-root = "$T/run"
			server.bind = "127.0.0.1"
			server.port = $PORT
			server.errorlog = "$T/log/lighttpd.errors"
			server.breakagelog = "$T/log/responders"
			server.upload-dirs = ( "$T/tmp" )
			var.davit_domain = "davit.test"
			var.davit_conf = "$T/davit.conf"
			var.davit_store = "${site_dir:-$T/store}"
			var.davit_libexec = "$T/libexec"
			var.davit_run = "$T/run"
			var.davit_examples = "$T/share"
			include "$T/share/lighttpd.conf"
		END
		printf '%s\n' "$@"
	} >"$T/lighttpd.conf"
	start lighttpd lighttpd -D -f "$T/lighttpd.conf"
	must_start lighttpd listens
}

stop_lighttpd() {
	stop lighttpd
}

# Responders that no web server starts, as davit.fcgi(8) has it.
start_pools() {
	local name
	need spawn-fcgi
	for name in site:4 api:16 submit:8; do
		"${as_user[@]}" spawn-fcgi -s "$T/run/${name%:*}.socket" \
			-M 0660 -F "${name#*:}" -- /bin/sh -c \
			"exec '$T/libexec/${name%:*}.fcgi' \
			2>>'$T/log/pool-${name%:*}'" || exit 1
	done >"$T/pools" 2>&1
}

pools_are_gone() {
	local pid
	for pid; do
		gone "$pid" || return 1
	done
}

stop_pools() {
	local pids
	pids=$(sed -n 's/.*PID: //p' "$T/pools" 2>/dev/null) || return 0
	rm -f "$T/pools" "$T"/run/*.socket
	# shellcheck disable=SC2086
	{
		kill $pids
		poll_until 10 pools_are_gone $pids || kill -KILL $pids
	} 2>/dev/null
}

start_apache_proxy() { # [LINE…]
	local module
	start_pools
	for module in proxy proxy_fcgi; do
		printf 'LoadModule %s_module %s/mod_%s.so\n' $module \
			/usr/lib/apache2/modules $module
	done >"$T/proxy.conf"
	printf 'Define DAVIT_POOLS %s\n' "$T/run" >>"$T/proxy.conf"
	apache_conf "$@" | sed "/^Define DAVIT_DOMAIN/i Include $T/proxy.conf" |
		grep -v '^LoadModule fcgid\|^Fcgid' >"$T/httpd.conf"
	start apache apache2 -f "$T/httpd.conf" -DFOREGROUND
	must_start apache listens
}

start_nginx() {
	need nginx
	start_pools
	sed -e 's|yourplatform\(\\*\)\.com|davit\1.test|g' \
		-e "s|/run/davit/|$T/run/|" -e "s|/var/empty|$T/empty|" \
		-e "s|default /.*/store;|default ${site_dir:-$T/store};|" \
		-e "s|server_name \*|server_name www.example.org *|" \
		-e "s|listen 80|listen 127.0.0.1:$PORT|" \
		"$top_builddir/apache/nginx.conf" >"$T/davit.nginx"
	cat >"$T/nginx.conf" <<-END
		daemon off;
		pid $T/run/nginx.pid;
		error_log $T/log/nginx.errors;
		worker_processes 2;
		events { }
		http {
			access_log off;
			server_names_hash_bucket_size 128;
			$(printf '%s_temp_path %s/tmp;\n' client_body "$T" \
				fastcgi "$T" proxy "$T" uwsgi "$T" scgi "$T")
			include $T/davit.nginx;
		}
	END
	start nginx nginx -c "$T/nginx.conf" -e "$T/log/nginx.errors"
	must_start nginx listens
}

stop_nginx() {
	stop nginx
	stop_pools
}

# --- davit ---

start_davitd() { # [OPTION…]
	start davitd "$T/libexec/davitd" -c "$T/davit.conf" "$@"
	must_start davitd davitd_lives
}

davitd_lives() {
	[ -n "$(rcli get "davit:lease:$worker" 2>/dev/null)" ]
}

stop_davitd() {
	stop davitd
}

git_repo() { # NAME DIRECTORY [MESSAGE]
	local work=$T/tmp/work.$1
	cp -r "$2" "$work"
	(
		cd "$work" || exit
		rm -rf .git
		export HOME=$T/tmp GIT_CONFIG_NOSYSTEM=1
		export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@davit.test
		export GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@davit.test
		git init -q -b main . && git add -A -f . &&
			git commit -q -m "${3:-first}" &&
			git clone -q --bare . "$T/git/$1.git" &&
			git -C "$T/git/$1.git" config uploadpack.allowAnySHA1InWant true
	) >&2 || return
	rm -rf "$work"
	own "$T/git/$1.git"
	printf '%s\n' "$URL/git/$1.git"
}

# A bare copy of git/site.git with that submodule, m.
git_repo_with_submodule() { # NAME URL
	local dir=$T/tmp/$1
	git clone -q "$T/git/site.git" "$dir" 2>/dev/null
	printf '[submodule "m"]\n\tpath = m\n\turl = %s\n' "$2" \
		>"$dir/.gitmodules"
	git -C "$dir" add .gitmodules
	git -C "$dir" update-index --add --cacheinfo \
		"160000,$(git -C "$dir" rev-parse HEAD),m"
	git -C "$dir" -c user.name=t -c user.email=t@davit.test \
		commit -qm "$1"
	git clone -q --bare "$dir" "$T/git/$1.git"
	own "$T/git/$1.git"
}

# A git host that does the same to everybody, on a port of its own: $odd.
odd_host() { # NAME PERL-TEXT with $c, the connection
	local port
	port=$(free_port)
	start "$1" perl -MIO::Socket::INET -e '
		my ($port, $do) = @ARGV;
		my $l = IO::Socket::INET->new(LocalAddr => "127.0.0.1",
		    LocalPort => $port, Listen => 9, ReuseAddr => 1) or die;
		$SIG{CHLD} = "IGNORE";
		while (my $c = $l->accept) {
			next if fork;
			eval $do;
			exit;
		}' "$port" "$2"
	must_start "$1" answers "$port"
	# shellcheck disable=SC2034
	odd=http://127.0.0.1:$port
}

answers() { # PORT
	(: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

api() { # METHOD PATH [CURL OPTION…]
	local method=$1 path=$2
	shift 2
	curl -sS --noproxy '*' --max-time 60 -H 'Host: davit.test' \
		-X "$method" "$@" "$URL$path"
}

site() { # ID PATH [CURL OPTION…]
	local id=$1 path=$2
	shift 2
	curl -sS --noproxy '*' --max-time 60 -H "Host: $id.davit.test" "$@" \
		"$URL$path"
}

# Submit; print the id, or what was answered instead on stderr.
deploy() { # URL|JSON
	local body=$1 answer id
	[[ $body == "{"* ]] || body=$(jq -cn --arg url "$1" '{url: $url}')
	answer=$(api POST /get/url -H 'Content-Type: application/json' \
		-d "$body")
	id=$(jq -r '.id // empty' <<<"$answer" 2>/dev/null)
	[ -n "$id" ] && printf '%s\n' "$id" && return
	printf 'POST /get/url %s: %s\n' "$body" "$answer" >&2
	return 1
}

state() { # ID
	api GET "/status/$1" | jq -r '.state // .error' 2>/dev/null
}

is_final() { # ID
	case $(state "$1") in
	deployed | failed | canceled) ;;
	*) false ;;
	esac
}

wait_final() { # ID SECONDS: print the state, final or not
	poll_until "$2" is_final "$1"
	state "$1"
}
