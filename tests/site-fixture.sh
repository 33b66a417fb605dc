# site-fixture.sh - sites put into a directory store by hand, and how to look
# at them; to be sourced after services.sh.
#
#	sites_begin	$plain, $spa, $own404; $half lacks its manifest
#	get ID|HOST PATH [CURL OPTION…]	$code; then: header NAME, body

# shellcheck shell=bash disable=SC2034,SC2154

plain=abcdefghi1 spa=abcdefghi2 own404=abcdefghi3 half=abcdefghi4

# A manifest of what is in dist/ID.
manifest() { # ID SPA
	local file rows=
	mkdir -p "$T/store/manifests"
	while IFS= read -r -d '' file; do
		rows+=$(jq -cn --arg p "${file#./}" \
			--arg t "$(media_type "$file")" \
			--argjson s "$(stat -c %s "$T/store/dist/$1/$file")" \
			--arg h "$(sha256sum <"$T/store/dist/$1/$file" |
				cut -c 1-64)" \
			'{key: $p, value: {size: $s, type: $t, sha256: $h}}')
	done < <(cd "$T/store/dist/$1" && find . -type f -print0)
	jq -cs --arg id "$1" --argjson spa "$2" \
		'{version: 1, id: $id, spa: $spa, files: from_entries}' \
		<<<"$rows" >"$T/store/manifests/$1.json"
}

media_type() { # FILE
	case $1 in
	*.html) echo 'text/html; charset=utf-8' ;;
	*) echo application/octet-stream ;;
	esac
}

put() { # ID PATH CONTENTS
	local file=$T/store/dist/$1/$2
	mkdir -p "$(dirname "$file")"
	printf '%s' "$3" >"$file"
}

# An alias, as lib/alias.c stores it.
put_alias() { # NAME ID
	mkdir -p "$T/store/aliases" "$T/store/live"
	printf '{"name":"%s","id":"%s","owner":null,"moved":1,"history":[]}' \
		"$1" "$2" >"$T/store/aliases/$1.json"
	ln -sfn "../dist/$2" "$T/store/live/$1"
}

sites_begin() {
	local f
	put $plain index.html '<h1>home</h1>'
	put $plain app.js 'console.log("app")'
	put $plain about.html about
	put $plain docs/index.html docs
	put $plain shell.php '<?php echo 1+1;'
	put $plain run.cgi '#!/bin/sh'
	chmod 755 "$T/store/dist/$plain/run.cgi"
	put $plain ssi.shtml '<!--#exec cmd="id" -->'
	put $plain page.var 'URI: index.html'
	put $plain 'a b#c?d.txt' odd
	put $plain a/index.html a
	put $plain .htaccess 'ErrorDocument nonsense'
	put $plain a/.htaccess 'ErrorDocument nonsense'
	for f in .env .git/config a/.htpasswd .well-known/.x; do
		put $plain $f secret
	done
	put $plain .well-known/security.txt mailto:x
	for f in assets/index-BxY3_k9Q.js _next/static/a.css \
		_next/static/sw.js page-12345678.html jquery-3.7.1.min.js \
		style.css i.svg d.json m.wasm f.woff2 x.webmanifest; do
		put $plain $f x
	done
	head -c 200000 /dev/urandom >"$T/store/dist/$plain/big.bin"
	mkdir "$T/store/dist/$plain/big"
	cp "$T/store/dist/$plain/big.bin" "$T/store/dist/$plain/big/index.html"
	manifest $plain false
	echo secret >"$T/store/secret"
	put $spa index.html spa
	manifest $spa true
	put $own404 index.html own
	put $own404 404.html mine
	put $own404 blog/404.html blog
	manifest $own404 true
	put $half index.html half
	put $half app.js half
	[ "$(id -u)" -ne 0 ] || chown -R www-data:www-data "$T/store"
}

get() { # ID|HOST PATH [CURL OPTION…]
	local host=$1 path=$2
	shift 2
	[[ $host == *.* ]] || host=$host.davit.test
	: >"$T/body"
	code=$(curl -sS --noproxy '*' --max-time 60 -H "Host: $host" "$@" \
		-o "$T/body" -D "$T/head" -w '%{http_code}' "$URL$path")
}

header() { # NAME
	tr -d '\r' <"$T/head" | sed -n "s/^$1: //Ip" | tail -n 1
}

body() {
	tr -d '\0' <"$T/body" | head -c 4000
}
