#!/bin/bash
# What sites answer is the same on every web server and from every store:
# conformance.tsv, on Apache with mod_fcgid, Apache with mod_proxy_fcgi,
# lighttpd and nginx, with a store in a directory and with one on S3 (Swift),
# of which each has a cache that site.fcgi fills.  The sites are published by
# davit-build.
# shellcheck disable=SC2119,SC2154

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"
# shellcheck source=swift.sh
. "$here/swift.sh"

need jq curl tar zstd
services_begin
write_conf

# --- the sites ---

sites=$T/tmp/sites
declare -A id_of=([plain]=conform001 [own404]=conform002 [spa]=conform003
	[two00]=conform004 [rules]=conform005 [forced]=conform006
	[half]=conform007 [coded]=conform008 [always]=conform009)
secret='the § is in no answer'

put() { # SITE PATH [CONTENTS]
	local file=$sites/$1/$2
	mkdir -p "$(dirname "$file")"
	printf '%s' "${3-$2 of $1}" >"$file"
}

publish() { # SITE
	local id=${id_of[$1]}
	mkdir -p "$T/store/output"
	tar -C "$sites/$1" -cf - . | zstd -q \
		>"$T/store/output/$id.tar.zst"
	own "$T/store"
	printf '{"id":"%s","state":"queued","attempt":1,"output":"."}' "$id" |
		"${as_user[@]}" "$T/libexec/davit-build" -c "$T/davit.conf" \
			>"$T/tmp/log.$1" 2>"$T/tmp/events.$1"
	grep -q '"done":"deployed"' "$T/tmp/events.$1" && return
	not_ok "$1 is published" "$(cat "$T/tmp/log.$1" "$T/tmp/events.$1")"
	exit 1
}

for file in style.css data.json i.svg m.wasm f.woff2 x.webmanifest note.txt \
	no-ending about.html docs/index.html docs/guide.html both.html \
	both/index.html 'a b.txt' 'a b#c?d.txt' é.txt per%cent.txt +plus.txt \
	deep/er/and/deeper/x.txt assets/index-BxY3_k9Q.js main.8f3a2b1c.css \
	_next/static/a.css _next/static/sw.js _astro/b.js robots.txt \
	page-12345678.html jquery-3.7.1.min.js run.cgi page.var \
	.well-known/security.txt 'with space.html' name name.html kept/a.css \
	kept/a-1b2c3d4e.css; do
	put plain "$file"
done
put plain index.html '<h1>home</h1>'
put plain app.js 'console.log("app")'
put plain empty.txt ''
put plain shell.php '<?php echo 1+1;'
put plain ssi.shtml '<!--#exec cmd="id" -->'
chmod 755 "$sites/plain/run.cgi"
head -c 200000 /dev/urandom >"$sites/plain/big.bin"
for file in index.html 404.html blog/404.html blogs/x; do
	put own404 "$file"
done
put spa index.html
put spa assets/app.js
for file in index.html 200.html 404.html; do
	put two00 "$file"
done

for file in index.html new.html away.html there.html app/index.html \
	app/real.txt; do
	put rules "$file"
done
put rules _headers ''
put rules _redirects "# all of them
/old /new
/temporary /new 302
/other /new 303
/keep /new 307
/forever /new 308
/blog/:y/:m/:slug /posts/:y-:m/:slug
/docs/* https://docs.example.org/:splat 302
/find id=:id /item/:id
/shown /new 200
/app/* /app/index.html 200
/gone /away.html 410
/withheld 451
/hidden /away.html 404
/there /elsewhere
/nowhere /missing 200
/round /round
/proxy https://example.org/ 200
"
for file in index.html 404.html new.txt moved.txt bare.txt joined.txt \
	shop.html home.html kept/a.css assets/a.css \
	assets/main.8f3a2b1c.js download/x.bin; do
	put forced "$file"
done
cp "$sites/plain/big.bin" "$sites/forced"
put forced _redirects '/moved.txt /new.txt 302!
/shop/* /shop.html 200
/home /home.html 301!
'
put forced _headers '/*
  X-Frame-Options: DENY
  X-All: 1
/assets/*
  ! Cache-Control
  Cache-Control: max-age=60
  Access-Control-Allow-Origin: *
/download/:name
  Content-Disposition: attachment; name=:name
  Content-Type: application/x-own
/bare.txt
  ! X-Frame-Options
  ! Cache-Control
  X-Sendfile: /etc/passwd
/joined.txt
  X-All: 2
'
# What is large enough to be laid beside itself in other forms.
for file in app.js index.html page.html assets/main.8f3a2b1c.css i.svg; do
	put coded "$file" "$(yes "$file" | head -n 300)"
done
put coded small.js
put coded own.tar.gz
put coded own.js "$(yes own | head -n 500)"
put coded own.js.gz 'a file of its own'
mkdir "$sites/always"
cp "$sites/coded/app.js" "$sites/always"
put always index.html
put always _headers '/*
  X-Frame-Options: DENY
'
put half index.html
put half app.js

ln -s ../app.js "$T/tmp/sites/plain/docs/link.js"
ln -s docs "$T/tmp/sites/plain/linked"

for site in "${!id_of[@]}"; do
	publish "$site"
done
like "$(<"$T/tmp/log.rules")" '_redirects:17: it leads back' \
	'the log tells of a loop'
like "$(<"$T/tmp/log.rules")" '_redirects:18: .*another host' \
	'and of a page from another host'
like "$(<"$T/tmp/log.forced")" '_headers:14: X-Sendfile is' \
	'and of a header that is no site to set'

# The table compares with the forms that publishing has made.
for site in coded always; do
	dist=$T/store/dist/${id_of[$site]}
	(cd "$dist" && find . -name '*.br' -o -name '*.gz') |
		while read -r file; do
			cp "$dist/$file" "$sites/$site/$file"
		done
done

# What publishing would not let in: it must not be shown even where it is.
dist=$T/store/dist/${id_of[plain]}
echo "$secret" | tee "$T/store/secret" "$T/store/dist/secret" >/dev/null
for file in .env .git/config .htaccess docs/.htpasswd .well-known/.x \
	docs/.well-known/x; do
	mkdir -p "$(dirname "$dist/$file")"
	echo "$secret" >"$dist/$file"
done
# Web servers follow links, since publishing makes none (what leads out of a
# site it refuses: test_publish).
is "$(find "$T/store/dist" -type l)" '' 'links are published as files'
jq -c '.spa = true' "$T/store/manifests/${id_of[spa]}.json" \
	>"$T/tmp/spa.json" && mv "$T/tmp/spa.json" \
	"$T/store/manifests/${id_of[spa]}.json"
# A framework's word for a directory is not what web servers can see.
for site in plain forced; do
	jq -c '.immutable = ["kept"]' "$T/store/manifests/${id_of[$site]}.json" \
		>"$T/tmp/kept.json" && mv "$T/tmp/kept.json" \
		"$T/store/manifests/${id_of[$site]}.json"
done
rm "$T/store/manifests/${id_of[half]}.json"
own "$T/store"

# --- a row ---

# The names of sites stand for their ids, in capitals where they are.
host_of() { # SITE|HOST
	local host=$1 site
	[[ $host == *.* ]] || host=$host.davit.test
	for site in "${!id_of[@]}"; do
		host=${host/#$site./${id_of[$site]}.}
		host=${host/#${site^^}./${id_of[$site]^^}.}
		host=${host/.$site./.${id_of[$site]}.}
	done
	printf '%s' "$host"
}

# Send REQUEST, as the table has it: $code, $T/head, $T/body.
send() { # HOST REQUEST
	local method=GET target header options=()
	local request=$2
	if [[ $request =~ ^([A-Z]+)\ (.*)$ ]]; then
		method=${BASH_REMATCH[1]} request=${BASH_REMATCH[2]}
	fi
	target=${request%% [A-Z]*}
	request=${request#"$target"}
	while [ -n "$request" ]; do
		header=${request%% | *}
		options+=(-H "${header# }")
		[ "$header" != "$request" ] || break
		request=${request#* | }
	done
	case $method in
	GET) ;;
	HEAD) options+=(-I) ;;
	*) options+=(-X "$method" -d '') ;;
	esac
	: >"$T/body"
	code=$(curl -sS --noproxy '*' --max-time 60 --path-as-is -g \
		-H "Host: $1" "${options[@]}" -o "$T/body" -D "$T/head" \
		-w '%{http_code}' "$URL$target")
	[ "$method" != HEAD ] || : >"$T/body"
	read_head
}

declare -A header_of
read_head() {
	local line name
	header_of=()
	while IFS= read -r line; do
		line=${line%$'\r'} name=${line%%:*}
		[ "$name" = "$line" ] || header_of[${name,,}]=${line#*: }
	done <"$T/head"
}

header_is() { # "Name: REGEX"
	local name=${1%%:*}
	[[ -v header_of[$name] && ${header_of[$name]} =~ ${1#*: } ]]
}

# Say in $wrong what is not as the row has it.
judge() { # SITE STATUS HEADERS BODY
	local rest=$3 header
	wrong=
	[[ $code =~ ^($2)$ ]] || wrong+="status $code, not $2; "
	while [ "$rest" != - ]; do
		header=${rest%% | *}
		if [[ $header == '! '* ]]; then
			[[ ! -v header_of[${header#! }] ]] ||
				wrong+="${header#! } is there; "
		else
			header_is "$header" || wrong+="not $header; "
		fi
		[ "$header" != "$rest" ] || break
		rest=${rest#* | }
	done
	case $4 in
	-) ;;
	=*) cmp -s "$T/body" "$sites/$1/${4#=}" ||
		wrong+="not the bytes of ${4#=}; " ;;
	\"*) [ "\"$(<"$T/body")\"" = "$4" ] || wrong+="not the body $4; " ;;
	*) [[ $(tr -d '\0' <"$T/body") =~ ${4#\~} ]] ||
		wrong+="no body like $4; " ;;
	esac
}

table() { # SERVER
	local site request status headers body
	while IFS=$'\t' read -r site request status headers body; do
		[[ $site != '' && $site != '#'* ]] || continue
		send "$(host_of "$site")" "$request"
		judge "$site" "$status" "$headers" "$body"
		if [ -z "$wrong" ]; then
			ok "$1: $site $request"
		else
			not_ok "$1: $site $request" "$wrong" \
				"$(head -n 20 "$T/head")" \
				"$(tr -d '\0' <"$T/body" | head -c 300)"
		fi
	done <"$here/conformance.tsv"
}

# Requests that curl would not send.
raw() { # LINE…
	exec 4<>"/dev/tcp/127.0.0.1/$PORT" || return
	printf '%s\r\n' "$@" 'Connection: close' '' | cat >&4
	timeout 20 tr -d '\0\r' <&4
	exec 4>&-
}

tricks() { # SERVER
	local host=${id_of[plain]}.davit.test
	like "$(raw 'GET /app.js HTTP/1.1' "Host: $host" \
		"Host: ${id_of[half]}.davit.test")" \
		'^HTTP/1.. 400|console' "$1: two hosts are no way in"
	unlike "$(raw "GET http://${id_of[half]}.davit.test/app.js HTTP/1.1" \
		"Host: $host")" 'app.js of half' "$1: nor is an absolute URI"
	like "$(raw "GET http://$host/about HTTP/1.1" "Host: $host")" \
		'about.html of plain|^HTTP/1.. 400' "$1: which is a request"
	unlike "$(raw 'GET /app.js HTTP/1.0')" console "$1: no host, no site"
	unlike "$(raw "GET /secret HTTP/1.1" 'Host: ..davit.test')" '§' \
		"$1: dots are no host"
	unlike "$(raw "GET /secret HTTP/1.1" 'Host: ../.davit.test')" '§' \
		"$1: nor are slashes"
}

etags() { # SERVER: what a browser does on its second visit
	local path etag
	for path in / /app.js /about; do
		send "$(host_of plain)" "$path"
		etag=${header_of[etag]-}
		send "$(host_of plain)" "$path If-None-Match: $etag"
		is "$code" 304 "$1: $path is not sent again"
	done
	send "$(host_of forced)" '/new.txt If-None-Match: *'
	is "$code" 304 "$1: nor is a page with headers of its own"
	header_is 'x-frame-options: ^DENY$' && ok "$1: which has them still" ||
		not_ok "$1: which has them still" "$(<"$T/head")"
}

all() { # SERVER
	table "$1"
	tricks "$1"
	etags "$1"
}

# What a web server that runs programs everywhere has in its configuration.
# (mod_php is rarely there when tests run; this is how it catches its files.)
modules=/usr/lib/apache2/modules
programs=("LoadModule include_module $modules/mod_include.so"
	'<Directory />
		Options +ExecCGI +Includes
	</Directory>
	<FilesMatch "\.(php|cgi)$">
		SetHandler cgi-script
	</FilesMatch>
	AddHandler cgi-script .cgi .php
	AddOutputFilter INCLUDES .shtml')
lighttpd_programs=('server.modules += ( "mod_cgi", "mod_ssi" )'
	'cgi.assign = ( ".php" => "/bin/cat", ".cgi" => "" )'
	'ssi.extension = ( ".shtml" )')

serve() { # SERVER
	case $1 in
	mod_fcgid) start_apache "${programs[@]}" ;;
	mod_proxy_fcgi) start_apache_proxy "${programs[@]}" ;;
	lighttpd) start_lighttpd "${lighttpd_programs[@]}" ;;
	*) start_"$1" ;;
	esac
	all "$1, $2"
	stop_"${1/#mod_*/apache}"
}

# --- all at once ---

# A directory, a port and a cache of one's own, in a subshell.
move_to() { # NAME [CONFIGURATION]
	local store=$T/store share=$T/share libexec=$T/libexec
	T=$T/$1
	mkdir -p "$T"/{log,run,tmp,scratch}
	ln -s "$share" "$libexec" "$T"
	PORT=$(free_port)
	URL=http://127.0.0.1:$PORT
	if [ -n "${2:-}" ]; then
		site_dir=$T/cache
		sed "s|^site_port.*|site_port $PORT|" "$2" >"$T/davit.conf"
		echo "site_cache $site_dir" >>"$T/davit.conf"
	else
		site_dir=$store
		write_conf "store dir $store"
	fi
	mkdir -p "$site_dir"
	own "$T"
	export DAVIT_CONF=$T/davit.conf
}

answers=()
start_serving() { # STORE [CONFIGURATION]
	local server
	for server in ${DAVIT_TEST_SERVERS:-mod_fcgid mod_proxy_fcgi lighttpd nginx}; do
		(
			move_to "$1.$server" "${2:-}"
			serve "$server" "$1"
			echo 'to the end'
		) >"$T/tmp/$1.$server" 2>&1 &
		answers+=($!:"$T/tmp/$1.$server")
	done
}

# What they have found, as tests of this script.
end_serving() {
	local of line last
	for of in "${answers[@]}"; do
		wait "${of%%:*}"
		last=
		while IFS= read -r line; do
			last=$line
			case $line in
			ok\ *) ok "${line#ok * - }" ;;
			not\ ok\ *) not_ok "${line#not ok * - }" ;;
			'#'*) printf '%s\n' "$line" ;;
			*) diag "$line" ;;
			esac
		done <"${of#*:}"
		is "$last" 'to the end' "$(basename "${of#*:}") was asked everything"
	done
	answers=()
}

# The store's objects, in a bucket.
fill_bucket() { # CONFIGURATION
	(cd "$T/store" && find dist manifests -type f |
		"$top_builddir/tests/store_probe" "$1" tree '') \
		>"$T/log/bucket" 2>&1 && return
	not_ok 'the bucket is filled' "$(<"$T/log/bucket")"
}

start_serving dir
start_swift
make_bucket conform "$S3_URL"
fill_bucket "$T/conform.conf"
end_serving
start_serving s3 "$T/conform.conf"
end_serving
done_testing
