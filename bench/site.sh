#!/bin/bash
# Sites: what a web server serves by davit's configuration beside the same
# server's plain file, 32 clients that keep their connections: a page of 4 KB
# and a script of 200 KB, of an id and of an alias; and what site.fcgi answers
# itself, whole sites whose rules come before files.  Wants ab(1).
# shellcheck disable=SC2119

# shellcheck source=bench.sh
. "$(dirname "$0")/bench.sh"
# shellcheck source=../tests/site-fixture.sh
. "$top_srcdir/tests/site-fixture.sh"

files=benchfile1 forced=benchforc2 alias=bench
script=/assets/app-1a2b3c4d.js

command -v ab >/dev/null || { say 'no ab: apt-get install apache2-utils'; exit 1; }

text() { # BYTES
	perl -e 'srand 1; my $s = "";
		$s .= sprintf "%08x\n", rand 2**32 while length $s < $ARGV[0];
		print substr $s, 0, $ARGV[0]' "$1"
}

make_site() { # ID
	put "$1" index.html "$(text 4096)"
	put "$1" "${script#/}" "$(text 204800)"
	manifest "$1" false
}

# An answer that is not whole and 200 ends the bench.
check() { # HOST PORT PATH BYTES
	local got
	got=$(curl -sS --noproxy '*' -H "Host: $1" -o /dev/null \
		-w '%{http_code} %{size_download}' "http://127.0.0.1:$2$3")
	[ "$got" = "200 $4" ] && return
	say "$1$3: $got"
	exit 1
}

# Requests a second, and the 99th percentile in ms.
load() { # HOST PORT PATH COUNT
	ab -q -k -c 32 -n "$4" -H "Host: $1" "http://127.0.0.1:$2$3" \
		2>"$T/log/ab" >"$T/tmp/ab" || {
		cat "$T/log/ab" >&2
		exit 1
	}
	awk '/^Requests per second/ { rate = $4 } /^ *99%/ { p99 = $2 }
		/^Failed requests/ && $3 > 0 || /^Non-2xx/ { exit 1 }
		END { printf "%.0f %d\n", rate, p99 }' "$T/tmp/ab"
}

subject() { # NUMBER: its host and port, in the order of the names
	case $1 in
	0) host=plain.test port=$plain_port ;;
	1) host=$files.davit.test port=$PORT ;;
	2) host=$alias.davit.test port=$PORT ;;
	3) host=$forced.davit.test port=$PORT ;;
	esac
}
subjects=('' 'file' "alias's file" 'by site.fcgi')

measure() { # SERVER KIND PATH BYTES COUNT
	local -A rates=() slow=()
	local round i host port rate p99
	for i in 0 1 2 3; do
		subject $i
		check "$host" "$port" "$3" "$4"
	done
	for ((round = 0; round <= rounds; round++)); do
		for i in 0 1 2 3; do
			subject $i
			read -r rate p99 < <(load "$host" "$port" "$3" "$5")
			[ "$round" -gt 0 ] || continue
			rates[$i]+="$rate " slow[$i]+="$p99 "
		done
	done
	# shellcheck disable=SC2086
	for i in 1 2 3; do
		line "$2, ${subjects[i]}" "$(median ${rates[$i]})" \
			"$(median ${rates[0]})" /s \
			"$1, plain file; p99 $(median ${slow[$i]}) and $(median ${slow[0]}) ms"
	done
}

both() { # SERVER
	measure "$1" '4 KB page' / 4096 "${BENCH_REQUESTS:-8000}"
	measure "$1" '200 KB script' "$script" 204800 \
		$((${BENCH_REQUESTS:-8000} / 4))
}

# The same programs as anybody would set them up for a directory of files.
plain_apache() {
	httpd_conf "$T/plain" "$plain_port" | grep -v '/mod_fcgid' |
		sed '/^Fcgid/d; /^<VirtualHost/,$d'
	cat <<-END
		ErrorLog $T/log/plain
		DocumentRoot $T/store/dist/$files
		<Directory $T/store/dist>
			AllowOverride None
			Require all granted
			EnableSendfile On
		</Directory>
		DirectoryIndex index.html
	END
}

plain_lighttpd() {
	cat <<-END
		server.document-root = "$T/store/dist/$files"
		server.bind = "127.0.0.1"
		server.port = $plain_port
		server.errorlog = "$T/log/plain"
		index-file.names = ( "index.html" )
		mimetype.assign = ( ".html" => "text/html",
			".js" => "text/javascript" )
	END
}

plain_nginx() {
	cat <<-END
		daemon off;
		pid $T/plain/run/nginx.pid;
		error_log $T/log/plain;
		worker_processes 2;
		events { }
		http {
			access_log off;
			sendfile on;
			types { text/html html; text/javascript js; }
			$(printf '%s_temp_path %s/tmp;\n' client_body "$T" \
				fastcgi "$T" proxy "$T" uwsgi "$T" scgi "$T")
			server {
				listen 127.0.0.1:$plain_port;
				root $T/store/dist/$files;
			}
		}
	END
}

start_plain() { # COMMAND…
	start plain "$@"
	URL=http://127.0.0.1:$plain_port must_start plain listens
}

services_begin
write_conf
make_site $files
make_site $forced
put_alias $alias $files
: >"$T/store/manifests/$forced.rules"
plain_port=$(free_port)
mkdir -p "$T/plain/run/fcgid" "$T/plain/git"
plain_apache >"$T/plain/httpd.conf"
plain_lighttpd >"$T/plain/lighttpd.conf"
plain_nginx >"$T/plain/nginx.conf"
own "$T/store" "$T/plain"

start_plain apache2 -f "$T/plain/httpd.conf" -DFOREGROUND
start_apache
both "Apache $(apache2 -v | grep -o 'Apache/[0-9.]*' | cut -d / -f 2)"
stop_apache
stop plain
start_plain lighttpd -D -f "$T/plain/lighttpd.conf"
start_lighttpd
both "lighttpd $(lighttpd -v | grep -o 'lighttpd/[0-9.]*' | cut -d / -f 2)"
stop_lighttpd
stop plain
start_plain nginx -c "$T/plain/nginx.conf" -e "$T/log/plain"
start_nginx
both "nginx $(nginx -v 2>&1 | grep -o 'nginx/[0-9.]*' | cut -d / -f 2)"
