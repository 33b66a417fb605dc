#!/bin/bash
# Repositories over ssh: deploy keys, known hosts, and who else answers.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"

need git jq perl sshd ssh-keygen
services_begin
# shellcheck disable=SC2031
export HOME=$T GIT_CONFIG_NOSYSTEM=1 DAVIT_ALLOW_HOSTS=127.0.0.1
unset DAVIT_FETCH_TIME DAVIT_PACK_BYTES DAVIT_SOURCE_BYTES DAVIT_SOURCE_FILES
program=$T/libexec/davit-fetch
if "$program" --login ssh://127.0.0.1/x 4<<<$'-\n-----END ' 2>&1 |
	grep -q 'built without ssh'; then
	skip_all 'built without libssh2'
fi
user=$(id -un)
[ "$(id -u)" -ne 0 ] || user=www-data
keys=$T/keys
mkdir "$keys"

key() { # NAME KIND [PASSPHRASE]
	ssh-keygen -q -t "$2" -N "${3-}" -C "$1" -f "$keys/$1"
}
for kind in ed25519 ecdsa; do
	key "host_$kind" $kind
	key $kind $kind
	cat "$keys/$kind.pub" >>"$keys/authorized"
done
key stranger ed25519
key other_host ed25519
key locked ed25519 sesame
cat "$keys/locked.pub" >>"$keys/authorized"

# --- servers ---

# What an ssh host of git's runs, which also tells what it was asked.
cat >"$T/forced" <<END
#!/bin/sh
echo "\${GIT_PROTOCOL:-none} \$SSH_ORIGINAL_COMMAND" >>'$T/run/seen'
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
cd '$T/git' && exec git-shell -c "\$SSH_ORIGINAL_COMMAND"
END
chmod 755 "$T/forced"

# Not as root, sshd runs a command by the user's own shell, and www-data has
# none: it sees a passwd where it has.
sed "s|^\(www-data:.*\):[^:]*\$|\1:/bin/sh|" /etc/passwd >"$T/passwd"
accepts() { # PORT
	(: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}
start_sshd() { # NAME PORT [LINE…]
	local name=$1 port=$2 run=("$(command -v sshd)" -D -e -f "$T/$1.conf")
	shift 2
	cat >"$T/$name.conf" <<-END
		Port $port
		ListenAddress 127.0.0.1
		HostKey $keys/host_ed25519
		HostKey $keys/host_ecdsa
		AuthorizedKeysFile $keys/authorized
		ForceCommand $T/forced
		PidFile none
		StrictModes no
		PasswordAuthentication no
		KbdInteractiveAuthentication no
		UsePAM no
		$(printf '%s\n' "$@")
	END
	if [ "$(id -u)" -eq 0 ]; then
		# shellcheck disable=SC2016
		run=(unshare -m sh -c 'mount --bind "$0" /etc/passwd &&
			exec "$@"' "$T/passwd" "${as_user[@]}" "${run[@]}")
		local as_user=()
	fi
	start "$name" "${run[@]}"
	must_start "$name" accepts "$port"
}

own "$T"
port=$(free_port)
start_sshd sshd "$port" 'AcceptEnv GIT_PROTOCOL'
base=ssh://$user@127.0.0.1:$port$T/git
known() { # KEY…: lines of known_hosts
	local name
	for name; do
		printf '[127.0.0.1]:%s %s\n' "$port" \
			"$(cut -d ' ' -f 1,2 "$keys/$name.pub")"
	done
}
known host_ed25519 host_ecdsa >"$keys/known"

# --- what is asked ---

# Run davit-fetch; $code, $error (its name or "none"), $message, $T/out.tar.
fetch() { # KEY KNOWN-HOSTS ARGUMENT…
	local login="$keys/$1 $keys/$2"
	shift 2
	# shellcheck disable=SC2086
	"$program" --login "$@" 4< <(cat $login) 3>"$T/result" \
		>"$T/out.tar" 2>>"$T/log/fetch"
	code=$?
	cat "$T/result" >>"$T/log/fetch"
	error=$(jq -rs '.[-1].error // "none"' "$T/result")
	message=$(jq -rs '.[-1].message // ""' "$T/result")
}

refuses() { # ERROR WORDS NAME KEY KNOWN-HOSTS ARGUMENT…
	local want=$1 words=$2 name=$3
	shift 3
	fetch "$@"
	if [ "$error" = "$want" ] && [[ $message =~ $words ]] &&
		[ $code -ne 0 ] && [ ! -s "$T/out.tar" ]; then
		ok "$name"
	else
		not_ok "$name" "got: $error, wanted: $want, exit $code" \
			"$message" "$(tail -n 3 "$T/log/fetch")"
	fi
}

print_of() { # KEY
	ssh-keygen -lf "$keys/$1.pub" | cut -d ' ' -f 2 | sed 's/+/[+]/g'
}

seen() {
	tail -n 1 "$T/run/seen"
}

mkdir -p "$T/tmp/site/dir"
echo '<h1>site</h1>' >"$T/tmp/site/index.html"
head -c 300000 /dev/urandom >"$T/tmp/site/dir/noise"
ln -s dir/noise "$T/tmp/site/link"
printf '#!/bin/sh\n' >"$T/tmp/site/run"
chmod +x "$T/tmp/site/run"
git_repo site "$T/tmp/site" >/dev/null
git_repo "o'brien!" "$T/tmp/site" >/dev/null
git config --global --add safe.directory '*'
listing() { # TAR
	tar --numeric-owner --full-time -tvf "$1" | awk '{
		sub(/^[^ ]+ +[^ ]+ +/, substr($1, 1, 4) " ")
		$3 = $4 = ""; print }' | grep -v '/$' | sort
	tar -xOf "$1" --wildcards --no-anchored '*' | sha1sum
}
git -C "$T/git/site.git" archive main >"$T/want.tar"

# --- fetching ---

fetch ed25519 known "$base/site.git"
is "$code $error" '0 none' 'a repository over ssh'
is "$(listing "$T/out.tar")" "$(listing "$T/want.tar")" 'is as git archive has it'
is "$(jq -rs '.[0].commit' "$T/result")" \
	"$(git -C "$T/git/site.git" rev-parse main)" 'at the right commit'
is "$(seen)" "version=2 git-upload-pack '$T/git/site.git'" 'by version 2'
# libssh2 1.10 loses 112 bytes of such a key.
ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 fetch ecdsa known --ref main "$base/site.git/"
is "$code $error" '0 none' 'an ecdsa key as well'
fetch ed25519 known "$base/o'brien!.git"
is "$code $error" '0 none' 'a name that a shell would misread'
like "$(seen)" "git/o'\\\\''brien'\\\\!'.git'\$" '… is quoted'
fetch ed25519 known "$base/site.git';touch\$IFS$T/owned;'"
is "$error" repository_not_found 'nor is any other a command'
is "$(ls "$T/owned" 2>/dev/null)" '' '… of that shell'
refuses repository_not_found 'says .*not.*git repository' \
	'a repository that is not there' ed25519 known "$base/none.git"
refuses ref_not_found "'nope'" 'a branch that is not there' \
	ed25519 known --ref nope "$base/site.git"
DAVIT_ALLOW_HOSTS='' refuses address_forbidden allow_hosts \
	'a private address' ed25519 known "$base/site.git"
DAVIT_SOURCE_BYTES=1000 refuses repository_too_large 'over 1000' \
	'bounds hold as well' ed25519 known "$base/site.git"

# --- the host's key ---

ssh-keygen -q -H -f "$keys/known" 2>/dev/null
fetch ed25519 known "$base/site.git"
is "$code $error" '0 none' 'names in known_hosts may be hashed'
rm -f "$keys/known.old"
known host_ecdsa >"$keys/ecdsa_known"
fetch ed25519 ecdsa_known "$base/site.git"
is "$code $error" '0 none' 'of several host keys, the known one is asked for'
printf '# nothing\n\n' >"$keys/nothing"
refuses fetch_failed "$(print_of host_ed25519), is not known.*publishes" \
	'an unknown host key is refused, with its fingerprint' \
	ed25519 nothing "$base/site.git"
known other_host >"$keys/changed"
refuses fetch_failed "$(print_of host_ed25519), not the known one" \
	'and so is a changed one' ed25519 changed "$base/site.git"
printf 'git.example.org %s\n' "$(cut -d ' ' -f 1,2 "$keys/host_ed25519.pub")" \
	>"$keys/elsewhere"
refuses fetch_failed 'is not known' 'or one that is known of another host' \
	ed25519 elsewhere "$base/site.git"
printf 'rubbish\n' >"$keys/bad"
refuses bad_configuration 'line 1 ' 'known_hosts with a bad line' \
	ed25519 bad "$base/site.git"

# --- the deploy key ---

refuses repository_private 'does not accept the deploy key' \
	'a key that is not authorized' stranger known "$base/site.git"
refuses bad_configuration passphrase 'a key with a passphrase' \
	locked known "$base/site.git"
refuses bad_configuration 'no private key' 'what is no key' \
	known known "$base/site.git"
"$program" "$base/site.git" 3>"$T/result" >"$T/out.tar" 2>>"$T/log/fetch"
is "$? $(jq -r .error "$T/result")" '6 repository_private' 'no key at all'
like "$(jq -r .message "$T/result")" 'no deploy key for 127.0.0.1: use' \
	'… says what to do'
refuses bad_request 'ssh takes no password' 'a password in the URL' \
	ed25519 known "ssh://a:b@127.0.0.1:$port/x"

# --- servers that know less, or are none ---

old=$(free_port)
start_sshd sshd-old "$old"
printf '[127.0.0.1]:%s %s\n' "$old" \
	"$(cut -d ' ' -f 1,2 "$keys/host_ed25519.pub")" >"$keys/old"
fetch ed25519 old "ssh://$user@127.0.0.1:$old$T/git/site.git"
is "$code $error $(seen)" "0 none none git-upload-pack '$T/git/site.git'" \
	'version 0, where the host takes no GIT_PROTOCOL'
is "$(listing "$T/out.tar")" "$(listing "$T/want.tar")" '… with the same files'
stop sshd-old

# Accepts, and then: silence, lines without end, another protocol.
cat >"$T/share/no_ssh.pl" <<'END'
use IO::Socket::INET;
my ($port, $what) = @ARGV;
my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => $port,
    Listen => 5, ReuseAddr => 1) or die;
$SIG{PIPE} = "IGNORE";
while (my $c = $s->accept) {
	1 while $what eq "endless" && print $c "still here\r\n" x 1000;
	print $c "HTTP/1.1 400 Bad Request\r\n\r\n" if $what eq "http";
	push @kept, $c if $what eq "silent";
}
END
declare -A at
for what in silent endless http; do
	at[$what]=$(free_port)
	start "no-$what" perl "$T/share/no_ssh.pl" "${at[$what]}" $what
	must_start "no-$what" accepts "${at[$what]}"
done
for what in silent endless; do
	begun=${EPOCHREALTIME/./}
	DAVIT_FETCH_TIME=2 refuses fetch_timeout . "a server: $what" \
		ed25519 known "ssh://127.0.0.1:${at[$what]}/x"
	took=$(((${EPOCHREALTIME/./} - begun) / 1000))
	if [ $took -lt 15000 ]; then
		ok '… in time'
	else
		not_ok '… in time' "$took ms"
	fi
done
refuses fetch_failed 'no SSH' 'a server: http' ed25519 known \
	"ssh://127.0.0.1:${at[http]}/x"
refuses fetch_failed 'refused' 'no server' ed25519 known \
	"ssh://127.0.0.1:$(free_port)/x"

# --- from inside: what a fetch holds while it runs ---

"$program" --login "ssh://127.0.0.1:${at[silent]}/x" \
	4< <(cat "$keys/ed25519" "$keys/known") >/dev/null 2>&1 &
by_hand=$!
talking() {
	pid=$(pgrep -P $by_hand davit-fetch) && grep -q "^NoNewPrivs:[[:space:]]*1" \
		"/proc/$pid/status"
}
poll_until 20 talking
like "$(cat "/proc/$pid/status")" 'NoNewPrivs:.1' 'no new privileges'
like "$(cat "/proc/$pid/limits")" 'Max open files +64 +64' 'limits'
secret=$(sed -n 3p "$keys/ed25519")
unlike "$(cat "/proc/$pid/cmdline" "/proc/$pid/environ" | tr '\0' ' ')" \
	"${secret:0:40}|BEGIN" 'the key is in neither arguments nor environment'
kill $by_hand
wait $by_hand

# --- submodules ---

git -C "$T/git/site.git" config uploadpack.allowAnySHA1InWant true
git_repo_with_submodule same ../site.git
git_repo_with_submodule foreign "ssh://git@localhost:$port$T/git/site.git"
fetch ed25519 known "$base/same.git"
is "$code $(jq -rs '.[0].notes // [] | length' "$T/result")" '0 0' \
	'a submodule beside it is fetched by the same key'
like "$(tar -tf "$T/out.tar" | tr '\n' ' ')" 'm/index.html' '… whole'
fetch ed25519 known "$base/foreign.git"
like "$code $(jq -rs '.[0].notes[0]' "$T/result")" \
	'^0 m is left out.*no deploy key for localhost' \
	'the key is for no other host'

# --- the operator's file ---

ingest() { # URL: $error, $message
	answer=$("${as_user[@]}" "$top_builddir/tests/ingest_probe" \
		"$T/davit.conf" abcdefghi1 "$1" 2>>"$T/log/ingest")
	printf '%s\n' "$answer" >>"$T/log/ingest"
	error=$(jq -r '.error // "none"' <<<"$answer")
	message=$(jq -r '.message // ""' <<<"$answer")
}
cat >"$T/credentials" <<-END
	ssh://$user@127.0.0.1:$port  $keys/stranger  $keys/known
	ssh://$user@127.0.0.1:$port$T/git/site.git  $keys/ed25519  $keys/known
END
chmod 640 "$T/credentials"
own "$T/credentials" "$keys"
write_conf "credentials $T/credentials" 'fetch_time 30'
ingest "$base/site.git"
is "$error $message" 'none ' 'the longest beginning counts'
is "$(zstd -dcq "$T/store/output/abcdefghi1.tar.zst" | tar -xO index.html)" \
	'<h1>site</h1>' '… and its source is in the store'
ingest "$base/same.git"
like "$error $message" \
	'^repository_private Failed to clone repository: .*not accept' \
	'… for what begins so'
ingest "ssh://$user@localhost:$port$T/git/site.git"
like "$error $message" 'repository_private .*no deploy key for localhost' \
	'no line, no key'
chmod 640 "$keys/ed25519"
ingest "$base/site.git"
like "$error $message" "bad_configuration .*$keys/ed25519.*chmod go= it" \
	'a key that its group can read is not used'
chmod 600 "$keys/ed25519"
chmod 666 "$keys/known"
ingest "$base/site.git"
like "$error $message" "bad_configuration .*$keys/known.*chmod go-w it" \
	'nor known hosts that all can write'
chmod 644 "$keys/known"
mv "$keys/ed25519" "$keys/away"
ingest "$base/site.git"
like "$error $message" 'bad_configuration .*No such file' 'nor one that is away'
mv "$keys/away" "$keys/ed25519"
ingest "$base/site.git"
is "$error" none 'and all is well again'

# --- nowhere ---

found=
for name in ed25519 stranger ecdsa locked; do
	while read -r line; do
		found+=$(grep -rlF "$line" "$T/log" "$T/store" "$T/run" \
			"$T/scratch")
	done < <(sed -n '3,5p' "$keys/$name")
done
is "$found" '' 'no log and no store has a line of a key'
is "$(ls -A "$T/scratch")" '' 'no scratch directory is left'
done_testing
