#!/bin/bash
# Git over https: whose certificate is trusted; private repositories, and
# where their passwords go and do not go.
# shellcheck disable=SC2119

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"

need jq curl git redis-server apache2 perl openssl
services_begin
modules=/usr/lib/apache2/modules
[ -e $modules/mod_ssl.so ] || skip_all 'no mod_ssl'

# --- certificates ---

tls=$T/tls
mkdir "$tls"
cat >"$tls/ca.conf" <<-END
	[ca]
	default_ca = test
	[test]
	database = $tls/index
	serial = $tls/serial
	new_certs_dir = $tls
	default_md = sha256
	policy = any
	copy_extensions = copy
	unique_subject = no
	[any]
	commonName = supplied
END
: >"$tls/index"
echo 1000 >"$tls/serial"

key() { # NAME SUBJECT OPTION…: a key and a request or certificate
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-keyout "$tls/$1.key" -subj "/CN=$2" "${@:3}" 2>>"$T/log/tls"
}

signed() { # NAME ALTNAME FROM TO
	key "$1" "$1" -addext "subjectAltName=$2" -out "$tls/$1.csr"
	openssl ca -batch -notext -config "$tls/ca.conf" -cert "$tls/ca.pem" \
		-keyfile "$tls/ca.key" -startdate "$3" -enddate "$4" \
		-in "$tls/$1.csr" -out "$tls/$1.pem" 2>>"$T/log/tls"
}

local_names=IP:127.0.0.1,DNS:localhost
key ca 'davit test CA' -x509 -days 30 -out "$tls/ca.pem"
signed good $local_names 20200101000000Z 20991231000000Z
signed expired $local_names 20200101000000Z 20200102000000Z
signed other DNS:other.test 20200101000000Z 20991231000000Z
key own localhost -x509 -days 30 -addext "subjectAltName=$local_names" \
	-out "$tls/own.pem"

# --- a git host of many faces ---

export HOME=$T/tmp GIT_CONFIG_NOSYSTEM=1

printf 'deploy:%s\n' "$(openssl passwd -apr1 s3cr3t-Word)" >"$T/run/users"
declare -A port
for name in good expired other own; do
	port[$name]=$(free_port)
done
good=https://127.0.0.1:${port[good]}

host() { # NAME
	cat <<-END
		Listen 127.0.0.1:${port[$1]}
		<VirtualHost *:${port[$1]}>
			ServerName 127.0.0.1
			SSLEngine on
			SSLCertificateFile $tls/$1.pem
			SSLCertificateKeyFile $tls/$1.key
			CustomLog $T/run/seen "%{Host}i|%{Authorization}i|%U"
			SetEnv GIT_PROJECT_ROOT $T/git
			SetEnv GIT_HTTP_EXPORT_ALL 1
			SetEnvIf Git-Protocol (.*) GIT_PROTOCOL=\$1
			ScriptAlias /open/ /usr/lib/git-core/git-http-backend/
			ScriptAlias /private/ /usr/lib/git-core/git-http-backend/
			RedirectMatch ^/down/(.*) http://127.0.0.1:$PORT/git/\$1
			RedirectMatch ^/here/(.*) $good/private/\$1
			RedirectMatch ^/away/(.*) \
				https://localhost:${port[good]}/private/\$1
			RedirectMatch ^/out/(.*) \
				https://localhost:${port[good]}/open/\$1
			<Location /private>
				AuthType Basic
				AuthName git
				AuthUserFile $T/run/users
				Require valid-user
			</Location>
		</VirtualHost>
	END
}

hosts() {
	local module
	for module in auth_basic authn_core authn_file authz_user ssl; do
		printf 'LoadModule %s_module %s\n' "$module" \
			"$modules/mod_$module.so"
	done
	echo SSLSessionCache none
	for name in "${!port[@]}"; do
		host "$name"
	done
}

own "$T"
write_conf "fetch_ca $tls/ca.pem" 'fetch_time 30'
start_redis
start_apache "$(hosts)"
mkdir "$T/tmp/site"
echo '<h1>site</h1>' >"$T/tmp/site/index.html"
git_repo site "$T/tmp/site" >/dev/null

# Submit: $code, $error, $answer.
post() { # BODY
	answer=$(api POST /get/url -H 'Content-Type: application/json' \
		-d "$1" -w '\n%{http_code}')
	code=${answer##*$'\n'}
	answer=${answer%$'\n'*}
	error=$(jq -r '.error // "none"' <<<"$answer")
	printf '%s\n' "$answer" >>"$T/log/answers"
}

ask() { # URL [TOKEN [USER]]
	post "$(jq -cn --arg url "$1" --arg token "${2-}" --arg user "${3-}" \
		'{url: $url} + if $token == "" then {} else {auth: ({token:
		$token} + if $user == "" then {} else {user: $user} end)} end')"
}

# --- certificates ---

ask "$good/open/site.git"
is "$code $error" '200 none' 'a certificate of fetch_ca is trusted'
for name in own expired other; do
	ask "https://127.0.0.1:${port[$name]}/open/site.git"
	is "$code $error" '502 fetch_failed' "not trusted: $name"
	like "$(jq -r .message <<<"$answer")" \
		'certificate|subject name' '… and the answer says why'
done
ask "$good/down/site.git"
is "$code $error" '502 fetch_failed' 'https does not lead to http'
ask "https://127.0.0.1:$PORT/git/site.git"
is "$code $error" '502 fetch_failed' 'what speaks no TLS is no https'

# --- private repositories ---

ask "$good/private/site.git"
is "$code $error" '422 repository_private' 'private, without a token'
like "$(jq -r .hint <<<"$answer")" auth '… what to do'
ask "$good/private/site.git" wr0ng-Word deploy
is "$code $error" '422 repository_private' 'private, with a wrong one'
like "$(jq -r .message <<<"$answer")" 'does not accept the token' '… is told'
ask "$good/private/site.git" s3cr3t-Word deploy
is "$code $error" '200 none' 'private, with the right one'
post "$(jq -cn --arg url "$good/private/site.git" '{url: $url,
	plan_only: true, auth: {user: "deploy", token: "s3cr3t-Word"}}')"
is "$code $error $(jq -r .plan.framework <<<"$answer")" '200 none static' \
	'a plan of it, and no more, as well'
unlike "$answer" s3cr3t '… which does not tell it'
post "$(jq -cn --arg url "$good/private/site.git" '{url: $url,
	plan_only: true, auth: {user: "deploy", token: "wr0ng-Word"}}')"
is "$code $error" '422 repository_private' '… with a wrong one, none'
ask "https://deploy:s3cr3t%2DWord@127.0.0.1:${port[good]}/private/site.git"
is "$code $error" '200 none' 'or in the URL'
id=$(jq -r .id <<<"$answer")
is "$(api GET "/status/$id" | jq -r .url)" "$good/private/site.git" \
	'… which is shown without'
is "$(jq -r .source <<<"$answer")" reused 'the same commit is not sent again'
for login in '' 'wr0ng-Word deploy'; do
	# shellcheck disable=SC2086
	ask "$good/private/site.git" $login
	is "$code $error" '422 repository_private' \
		"nor given to whom the host denies it: '$login'"
done
ask "$good/here/site.git" s3cr3t-Word deploy
is "$code $error" '200 none' 'a redirect on the same host keeps it'
: >"$T/run/seen"
ask "$good/away/site.git" s3cr3t-Word deploy
is "$code $error" '422 repository_private' \
	'one to another host does not'
ask "$good/out/site.git" s3cr3t-Word deploy
is "$code $error" '200 none' 'where none is needed, that is fine'
is "$(grep '^localhost' "$T/run/seen" | cut -d '|' -f 2 | sort -u)" '-' \
	'and the other host has not seen it'
like "$(grep '^127' "$T/run/seen" | cut -d '|' -f 2 | sort -u)" '^Basic' \
	'(the first has)'
# Submodules: the same host may see the login, another may not.
git config --global --add safe.directory '*'
git_repo_with_submodule same ../site.git
git_repo_with_submodule foreign "https://localhost:${port[good]}/private/site.git"
ask "$good/private/same.git" s3cr3t-Word deploy
is "$code $error $(rcli hget "davit:deployment:$(jq -r .id <<<"$answer")" \
	notes)" '200 none ' 'a submodule on the same host is fetched'
ask "$good/private/same.git" s3cr3t-Word deploy
is "$(jq -r .source <<<"$answer")" fetched \
	'… each time, since each repository has readers of its own'
: >"$T/run/seen"
ask "$good/private/foreign.git" s3cr3t-Word deploy
like "$code $error $(rcli hget "davit:deployment:$(jq -r .id <<<"$answer")" \
	notes)" '^200 none .*m is left out.*wants a password' \
	'one on another host is left out'
is "$(grep '^localhost' "$T/run/seen" | cut -d '|' -f 2 | sort -u)" '-' \
	'… which has not seen the login'
for body in '{"url": "http://a:b@127.0.0.1/x.git"}' \
	'{"url": "git://a@127.0.0.1/x.git"}' \
	'{"url": "https://a:b%0a@127.0.0.1/x.git"}' \
	'{"url": "https://a:b@c@127.0.0.1/x.git"}' \
	'{"url": "https://:b@127.0.0.1/x.git"}' \
	'{"url": "https://a:b@127.0.0.1/x", "auth": {"token": "x"}}' \
	'{"url": "http://127.0.0.1/x", "auth": {"token": "x"}}' \
	'{"url": "https://127.0.0.1/x", "auth": "x"}' \
	'{"url": "https://127.0.0.1/x", "auth": {}}' \
	'{"url": "https://127.0.0.1/x", "auth": {"token": 7}}' \
	'{"url": "https://127.0.0.1/x", "auth": {"token": "a\nb"}}' \
	'{"url": "https://127.0.0.1/x", "auth": {"token": "x", "user": "a:b"}}'
do
	post "$body"
	is "$code $error" '400 bad_request' "refused: $body"
done

# While it runs, what can others see of it?
faults=$(free_port)
start faults perl "$T/share/fault_server.pl" "$faults" "$URL/git"
accepts() {
	(: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}
must_start faults accepts "$faults"
ask "https://127.0.0.1:$faults/x.git" s3cr3t-Word deploy &
asking=$!
# One look is one process: the connection is given up after 10 s.
fetches() {
	pid=$(find /proc -mindepth 2 -maxdepth 2 -path '/proc/[0-9]*/exe' \
		-lname "$T/libexec/davit-fetch" 2>/dev/null |
		grep -om 1 '[0-9]*')
	[ -n "$pid" ]
}
poll_until 30 fetches
words=$(cat "/proc/$pid/cmdline" "/proc/$pid/environ" | tr '\0' ' ')
like "$words" --login 'it has a login'
unlike "$words" s3cr3t 'neither its arguments nor its environment have it'
kill "$pid"
wait $asking

# --- the operator's file ---

stop_apache
cat >"$T/credentials" <<-END
	# who may read what
	127.0.0.1:${port[good]} deploy wr0ng-Word
	$good/private/site.git  deploy  s3cr3t-Word
END
chmod 640 "$T/credentials"
own "$T/credentials"
write_conf "fetch_ca $tls/ca.pem" "credentials $T/credentials" 'fetch_time 30'
start_apache "$(hosts)"
cp -r "$T/git/site.git" "$T/git/else.git"
own "$T/git"
ask "$good/private/site.git"
is "$code $error" '200 none' 'the longest beginning counts'
ask "$good/private/else.git"
is "$code $error" '422 repository_private' '… for what begins so'
ask "$good/private/site.git/../else.git"
is "$code $error" '422 repository_private' '… and for nothing else'
ask "$good/private/site.git" wr0ng-Word deploy
is "$code $error" '422 repository_private' "a request's own goes first"
chmod 644 "$T/credentials"
ask "$good/private/site.git"
is "$code $error" '503 bad_configuration' 'a file that all can read is not used'
chmod 640 "$T/credentials"
echo "127.0.0.1 s3cr3t-Word" >>"$T/credentials"
ask "$good/private/site.git"
is "$code $error" '503 bad_configuration' 'nor one with a bad line'

# --- nowhere ---

rcli save >/dev/null
coded=$(printf deploy:s3cr3t-Word | base64)
is "$(grep -rlE "s3cr3t.{0,3}Word|wr0ng|$coded" "$T/log" "$T/store" \
	"$T/run" "$T/scratch" | grep -vF "$T/run/seen")" '' \
	'no log, no answer, neither Redis nor the store has a password'
done_testing
