#!/bin/bash
# Aliases: moved by the API, seen at once on every web server, and never half
# under load.
# shellcheck disable=SC2119,SC2154

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"
# shellcheck source=site-fixture.sh
. "$here/site-fixture.sh"

need jq curl redis-server apache2 perl zstd tar
services_begin
alice=alices-secret
printf '%s %s\n' alice "$(printf %s $alice | sha256sum | cut -c 1-64)" \
	bob "$(printf %s bobs-secret | sha256sum | cut -c 1-64)" >"$T/tokens"
chmod 600 "$T/tokens"
own "$T/tokens"
write_conf "tokens $T/tokens" 'asset_grace 3600'
start_redis

# A deployment of alice's: its page is one letter, 100,000 times.
deployed() { # ID LETTER OWNER STATE
	put "$1" index.html "$(head -c 100000 /dev/zero | tr '\0' "$2")"
	put "$1" "assets/$2-12345678.js" "$2"
	put "$1" "assets/$2.js" "$2"
	put "$1" "kept/$2.js" "$2"
	[ "$4" != deployed ] || manifest "$1" false
	rcli hset "davit:deployment:$1" id "$1" state "$4" owner "$3" \
		url http://x.test/a created 1 updated 1 attempt 1 >/dev/null
}
a=aliasaaaa1 b=aliasbbbb2
deployed $a A alice deployed
deployed $b B alice deployed
deployed aliascccc3 C bob deployed
deployed aliasdddd4 D alice failed
deployed production E alice deployed
jq -c '.immutable = ["kept"]' "$T/store/manifests/$a.json" >"$T/tmp/kept"
cp "$T/tmp/kept" "$T/store/manifests/$a.json"
own "$T/store"

ask() { # TOKEN METHOD PATH [JSON]
	local token=$1
	shift
	code=$(api "$1" "$2" ${3+-d "$3"} -H "Authorization: Bearer $token" \
		-o "$T/answer" -D "$T/head" -w '%{http_code}')
}
move() { # NAME ID
	ask $alice PUT "/aliases/$1" "{\"id\": \"$2\"}"
}
said() { # JQ-EXPRESSION
	jq -r "$1" "$T/answer"
}
shows() { # HOST LETTER NAME
	get "$1" /
	is "$code $(head -c 3 "$T/body") $(stat -c %s "$T/body")" \
		"200 $2$2$2 100000" "$3"
}

# --- the API ---

start_apache
ask $alice GET /aliases
is "$code $(said '.aliases | length')" '200 0' 'there are none'
ask $alice GET /aliases/blog
is "$code $(said .error)" '404 not_found' 'nor is this one'
move Blog $a
is "$code $(said .name,.id,.owner,.site | xargs)" \
	"200 blog $a alice http://blog.davit.test:$PORT/" 'it is made'
shows blog.davit.test A 'it shows its deployment'
shows BLOG.davit.test.:80 A 'in any spelling of the host'
move blog $b
shows blog.davit.test B 'moved, it shows the other one'
is "$(said '.history[0].id')" $a 'it remembers where it was'
move blog "$(said '.history[0].id')"
shows blog.davit.test A 'back again'
is "$(said '.history | length')" 2 'which is remembered too'
move www.example.org $b
is "$code $(said .site)" '200 http://www.example.org/' 'a host of its own'
shows www.example.org B 'shows its deployment'
shows www.Example.ORG:80 B 'in any spelling'
ask $alice GET /aliases
is "$(said '[.aliases[].name] | sort | join(" ")')" 'blog www.example.org' \
	'both are told'
ask $alice GET /aliases/blog
is "$code $(said .id)" "200 $a" 'and one'

move blog aliascccc3
is "$code $(said .error)" '403 forbidden' "not to somebody else's"
move blog aliasdddd4
is "$code $(said .error)" '409 conflict' 'not to one that has failed'
move blog zzzzzzzzzz
is "$code $(said .error)" '404 not_found' 'not to nothing'
for body in '{}' '{"id": 7}' '{"id": "../../../x"}' 'x' '' \
	"{\"id\": \"$a\", \"x\": 1}"; do
	ask $alice PUT /aliases/blog "$body"
	is "$code $(said .error)" '400 bad_request' "not a body: $body"
done
move production $a
is "$code $(said .error)" '409 conflict' "not in the place of a deployment"
move testserver $a
is "$code" 200 'but ten letters are a name'
shows testserver.davit.test A 'that shows its deployment'
for name in a..b -a x_y blog.davit.test davit.test %2e%2e a%2fb ''; do
	move "$name" $a
	like "$code" '^40[04]$' "no name: $name"
done
ask bobs-secret PUT /aliases/blog '{"id": "aliascccc3"}'
is "$code $(said .error)" '403 forbidden' 'nobody else moves it'
ask bobs-secret DELETE /aliases/blog
is "$code $(said .error)" '403 forbidden' 'or deletes it'
ask wrong PUT /aliases/blog "{\"id\": \"$b\"}"
is "$code" 401 'least of all without a token'
shows blog.davit.test A 'it is where it was'
ask $alice POST /aliases/blog '{}'
is "$code $(header allow)" '405 GET, HEAD, PUT, DELETE' 'its methods'
ask $alice POST /aliases '{}'
is "$code $(header allow)" '405 GET, HEAD' "and the list's"

# --- open pages ---

move blog $b
get blog.davit.test /assets/A-12345678.js
is "$code $(body)" '200 A' 'a hashed file of the one before is still there'
like "$(header cache-control)" immutable '… for ever'
get blog.davit.test /assets/A.js
is "$code" 404 'no other file of it is'
get blog.davit.test /kept/A.js
is "$code $(body)" '200 A' 'but what its framework calls immutable'
unlike "$(header cache-control)" immutable '… asked about each time'
get blog.davit.test /assets/C-12345678.js
is "$code" 404 'nor of any other deployment'
get $b /assets/A-12345678.js
is "$code" 404 'nor by id'
jq -c '.history[].left -= 3601000' "$T/store/aliases/blog.json" \
	>"$T/tmp/x" && cat "$T/tmp/x" >"$T/store/aliases/blog.json"
get blog.davit.test /assets/A-12345678.js
is "$code" 404 'until its time is over'

# --- at once ---

# None of those who move it at the same time is forgotten.
move busy $a
for i in 1 2 3 4 5 6; do
	deployed busybusy0$i $i alice deployed
done
own "$T/store"
for i in 1 2 3 4 5 6; do
	api PUT /aliases/busy -d "{\"id\": \"busybusy0$i\"}" -o /dev/null \
		-H "Authorization: Bearer $alice" &
	movers[i]=$!
done
wait "${movers[@]}"
ask $alice GET /aliases/busy
is "$(said '[.id] + [.history[].id] | sort | join(" ")')" \
	"$a $(echo busybusy0{1..6})" 'all that it pointed at is told'
is "$(readlink "$T/store/live/busy")" "../dist/$(said .id)" \
	'the link says what the alias does'

# --- as a deployment asks for ---

# Build a page of that letter, as alice's newest deployment of main.
build() { # ID LETTER CREATED ALIAS [OWNER]
	mkdir -p "$T/tmp/site.$2" "$T/store/output"
	echo "$2" >"$T/tmp/site.$2/index.html"
	tar -C "$T/tmp/site.$2" -cf - . | zstd -q \
		>"$T/store/output/$1.tar.zst"
	jq -cn --arg id "$1" --argjson at "$3" --arg alias "$4" \
		--arg owner "${5:-alice}" '{$id, state: "queued", attempt: 1,
		created: $at, url: "https://x.test/a", ref: "main",
		output: ".", $alias, $owner}' >"$T/tmp/job"
	mkdir -p "$T/store/deployments"
	cp "$T/tmp/job" "$T/store/deployments/$1.json"
	own "$T/store"
	"${as_user[@]}" "$T/libexec/davit-build" -c "$T/davit.conf" \
		<"$T/tmp/job" >"$T/tmp/log" 2>"$T/tmp/events"
	like "$(<"$T/tmp/events")" '"done":"deployed"' "$1 is deployed"
}
build newer00001 N 2000 fresh
like "$(<"$T/tmp/log")" 'alias fresh points here now' 'its alias is made'
get fresh.davit.test /
is "$code $(body)" '200 N' 'and shows it'
build older00001 O 1000 fresh
like "$(<"$T/tmp/log")" 'warning: alias fresh was not moved: newer00001 is newer' \
	'an older one does not take it'
like "$(<"$T/tmp/events")" '"note":"alias fresh was not moved' 'and says so'
get fresh.davit.test /
is "$(body)" N 'it shows what it did'
build newest0001 M 3000 fresh
get fresh.davit.test /
is "$(body)" M 'a newer one takes it'
build strange001 S 4000 fresh bob
like "$(<"$T/tmp/log")" 'not moved: it belongs to somebody else' \
	'nobody else does'
get fresh.davit.test /
is "$(body)" M 'it is where it was'
build hides00001 H 1 newest0001
like "$(<"$T/tmp/log")" "not moved: it is a deployment.s id" \
	'an id is no alias'
for alias in a..b '"x"' '../x' x.davit.test ''; do
	ask $alice POST /get/url "$(jq -cn --arg a "$alias" \
		'{url: "https://127.0.0.1:1/a.git", alias: $a}')"
	like "$code $(said .error) $(said .message)" \
		'^400 bad_request .*alias:' "no alias: $alias"
done
ask bobs-secret POST /get/url \
	'{"url": "https://127.0.0.1:1/a.git", "alias": "fresh"}'
is "$code $(said .error)" '403 forbidden' 'somebody else is told at once'

# --- trouble ---

mv "$T/store/manifests/$b.json" "$T/tmp"
get blog.davit.test /
is "$code" 404 'its deployment is gone'
mv "$T/tmp/$b.json" "$T/store/manifests"
stop_redis
shows blog.davit.test B 'without Redis, it shows its deployment'
move blog $a
is "$code $(header retry-after)" '503 5' 'and cannot be moved'
start_redis

# --- under load ---

# 200 of them take a minute or two where sanitizers look on.
moves=${DAVIT_TEST_MOVES:-20}

# 32 clients ask for the page until $T/tmp/stop is there, and tell what was
# no whole page of one deployment.
load() {
	perl -MIO::Socket::INET -e '
		my ($port, $stop) = @ARGV;
		for (1 .. 32) {
			next if fork;
			my ($good, %bad) = 0;
			until (-e $stop) {
				my $s = IO::Socket::INET->new(
				    PeerAddr => "127.0.0.1:$port",
				    Timeout => 60);
				my $text = "";
				if ($s) {
					print $s "GET / HTTP/1.1\r\n",
					    "Host: blog.davit.test\r\n",
					    "Connection: close\r\n\r\n";
					local $/;
					$text = <$s> // "";
				}
				if ($text =~ m{^HTTP/1.1 200 .*\r\n\r\n(A+|B+)\z}s
				    && length $1 == 100000) {
					$good++;
				} else {
					$bad{substr $text, 0, 40}++;
				}
			}
			print "good $good\n";
			print "bad $bad{$_} $_\n" for keys %bad;
			exit;
		}
		1 while wait > 0;' "$PORT" "$T/tmp/stop" >"$T/tmp/load"
}

under_load() { # SERVER
	local i failed=0 loader good
	rm -f "$T/tmp/stop"
	load &
	loader=$!
	for ((i = 0; i < moves; i++)); do
		if ((i % 2)); then move blog $a; else move blog $b; fi
		[ "$code" = 200 ] || failed=$((failed + 1))
	done
	touch "$T/tmp/stop"
	wait $loader
	is "$failed" 0 "$1: $moves moves"
	good=$(awk '/^good/ { n += $2 } END { print n }' "$T/tmp/load")
	is "$(grep '^bad' "$T/tmp/load")" '' "$1: no request of $good was hurt"
	is "$((good > moves))" 1 "$1: which were enough"
}

under_load Apache

ask $alice DELETE /aliases/blog
is "$code" 200 'it is deleted'
get blog.davit.test /
is "$code" 404 'and shows nothing'
ask $alice DELETE /aliases/blog
is "$code" 404 'once'
stop_apache

# --- on other servers ---

at_once() { # SERVER
	move blog $a
	shows blog.davit.test A "$1: an alias"
	move blog $b
	shows blog.davit.test B "$1: moved at once"
	unlike "$(header etag)" '^"[0-9a-f]{32}"$' "$1: by the server itself"
	# All servers, where there is time for it.
	[ -z "${DAVIT_TEST_MOVES:-}" ] || under_load "$1"
	shows www.example.org B "$1: a host of its own"
}
start_apache_proxy
at_once mod_proxy_fcgi
stop_apache
start_lighttpd
at_once lighttpd
stop_lighttpd
if command -v nginx >/dev/null; then
	start_nginx
	at_once nginx
	stop_nginx
fi

done_testing
