#!/bin/bash
# davit-fetch and ingest against git's own servers, hostile repositories, and
# a host that misbehaves.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"

need git jq lighttpd perl
services_begin
# The subshell that sets these too is in services.sh.
# shellcheck disable=SC2031
export HOME=$T GIT_CONFIG_NOSYSTEM=1 \
	GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@davit.test \
	GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@davit.test
export DAVIT_ALLOW_HOSTS=127.0.0.1
unset DAVIT_FETCH_TIME DAVIT_PACK_BYTES DAVIT_SOURCE_BYTES DAVIT_SOURCE_FILES
program=$T/libexec/davit-fetch

# --- servers ---

# A CGI program that is git http-backend, with or without version 2.
backend() { # FILE UNSET…
	local file=$1
	shift
	cat >"$file" <<-END
		#!/bin/sh
		unset $* DUMMY
		export GIT_PROJECT_ROOT='$T/git' GIT_HTTP_EXPORT_ALL=1 HOME='$T'
		exec git http-backend
	END
	chmod 755 "$file"
}

start_git_http() {
	backend "$T/v2"
	backend "$T/v0" HTTP_GIT_PROTOCOL GIT_PROTOCOL
	cat >"$T/git.conf" <<-END
		server.document-root = "$T/run"
		server.bind = "127.0.0.1"
		server.port = $PORT
		server.modules = ("mod_alias", "mod_cgi")
		server.upload-dirs = ("$T/run")
		alias.url = ("/v2" => "$T/v2", "/v0" => "$T/v0")
		cgi.assign = ("/v2" => "", "/v0" => "")
	END
	start git-http lighttpd -D -f "$T/git.conf"
	must_start git-http listens
}

accepts() { # PORT
	(: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

start_git_daemon() {
	daemon=$(free_port)
	start git-daemon git daemon --base-path="$T/git" --export-all \
		--listen=127.0.0.1 --port="$daemon" --reuseaddr
	must_start git-daemon accepts "$daemon"
}

start_faults() {
	faults=$(free_port)
	start faults perl "$T/share/fault_server.pl" "$faults" "$URL/v2"
	must_start faults accepts "$faults"
}

# --- what is asked ---

# Run davit-fetch; $code, $error (its name or "none"), $T/out.tar, $T/result.
fetch() { # ARGUMENT…
	"$program" "$@" 3>"$T/result" >"$T/out.tar" 2>>"$T/log/fetch"
	code=$?
	error=$(jq -rs '.[-1].error // "none"' "$T/result")
}

refuses() { # ERROR NAME ARGUMENT…
	local want=$1 name=$2
	shift 2
	fetch "$@"
	if [ "$error" = "$want" ] && [ $code -ne 0 ] && [ ! -s "$T/out.tar" ]
	then
		ok "$name"
	else
		not_ok "$name" "got: $error, wanted: $want, exit $code" \
			"$(cat "$T/result")" "$(tail -n 3 "$T/log/fetch")"
	fi
}

# Path, type, link and contents of everything below a directory.
census() { # DIRECTORY
	(cd "$1" && find . -mindepth 1 -printf '%P %y %l ' \
		\( -type f -perm -100 -printf 'x ' -o -true \) \
		\( -type f -exec sha1sum {} \; -o -printf '\n' \)) | sort
}

# What git archive gives of a commit, without files that it ignores.
expected() { # REPOSITORY REF
	local d=$T/expected
	rm -rf "$d"
	mkdir "$d"
	git -C "$1" archive "$2" | tar -x -C "$d"
	(
		cd "$d" && git init -q && git add -Af &&
			git ls-files -ci --exclude-standard -z | xargs -0r rm --
		rm -rf .git
		find . -mindepth 1 -type d -empty -delete
	)
	census "$d"
}

got() {
	rm -rf "$T/got"
	mkdir "$T/got"
	tar -x -C "$T/got" -f "$T/out.tar" 2>>"$T/log/fetch"
	census "$T/got"
}

same() { # NAME REF ARGUMENT…
	local name=$1 ref=$2 words
	shift 2
	fetch "$@"
	got >"$T/census"
	if words=$(expected "$T/git/site.git" "$ref" |
		diff - "$T/census") && [ "$error" = none ]; then
		ok "$name"
	else
		not_ok "$name" "$error" "$words"
	fi
}

# --- an honest repository ---

# A blob over all bounds, in its branch alone or ignored.
make_limit() {
	local w=$T/limit
	git init -q -b large "$w"
	(
		cd "$w" || exit
		head -c 200000 /dev/urandom >large.bin
		echo f >f
		git add -A
		git commit -qm large
		git checkout -qb ignored
		echo '*.bin' >.gitignore
		git add -A
		git commit -qm ignored
	) >&2
	git clone -q --bare "$w" "$T/git/limit.git"
	git -C "$T/git/limit.git" config uploadpack.allowFilter true
}

make_site() {
	local w=$T/work
	git init -q -b main "$w"
	(
		cd "$w" || exit
		mkdir -p src/deep/er docs 'name with blank'
		printf '*.log\n/dist/\n!keep.log\nname*/*.tmp\n' >.gitignore
		printf 'secret*\n!secret.md\n' >docs/.gitignore
		printf '<h1>hi</h1>\n' >index.html
		printf '#!/bin/sh\n' >run.sh
		chmod 755 run.sh
		ln -s ../../index.html src/deep/link
		ln -s nowhere src/dangling
		seq 20000 >src/numbers
		: >src/deep/er/empty
		printf 'ü\n' >'docs/größe.txt'
		for f in a.log keep.log dist/x.js docs/secret.key \
			docs/secret.md "name with blank/a.tmp" src/deep/b.log; do
			mkdir -p "$(dirname "$f")"
			printf '%s\n' "$f" >"$f"
		done
		git add -Af
		git commit -qm 'first: größe'
		git tag -am 'the first' v1
		git checkout -qb side
		seq 19999 >src/numbers
		git commit -qam side
		git checkout -q main
		seq 20001 >src/numbers
		git commit -qam second
	) >&2
	git clone -q --bare "$w" "$T/git/site.git"
	git -C "$T/git/site.git" config uploadpack.allowReachableSHA1InWant true
	git -C "$T/git/site.git" update-ref refs/pull/7/head side
	git init -q --bare "$T/git/empty.git"
	git init -q --bare --object-format=sha256 "$T/git/sha256.git"
	git -C "$T/git/sha256.git" update-ref refs/heads/main "$(
		git -C "$T/git/sha256.git" commit-tree -m x "$(
			git -C "$T/git/sha256.git" mktree </dev/null)")"
	make_limit
	own "$T/git"
	git config --global --add safe.directory '*'
}

start_git_http
make_site
start_git_daemon
start_faults

faulty=http://127.0.0.1:$faults
site=$T/git/site.git
first=$(git -C "$site" rev-parse 'v1^{commit}')
second=$(git -C "$site" rev-parse main)
for base in "$URL/v2" "$URL/v0" "git://127.0.0.1:$daemon"; do
	case $base in
	*/v?) how="smart HTTP, version ${base: -1}" ;;
	*) how="git daemon" ;;
	esac
	same "$how: the default branch as git archive has it" main \
		"$base/site.git"
	is "$(jq -rs '.[0] | .commit, .ref, .subject, .ignored.count' \
		"$T/result" | paste -sd ' ')" "$second main second 5" \
		"$how: commit, branch, subject, ignored files are told"
	is "$(tail -n 1 "$T/result")" '{"ok":true}' "$how: its end is told"
	same "$how: a branch" side --ref side "$base/site.git"
	same "$how: a tag, by way of its object" v1 --ref v1 "$base/site.git"
	is "$(jq -rs '.[0] | .commit, .ref, .subject' "$T/result" |
		paste -sd ' ')" "$first v1 first: größe" "$how: its commit"
	same "$how: a full name" side --ref refs/heads/side "$base/site.git"
	same "$how: a commit id" v1 --ref "$first" "$base/site.git"
	same "$how: a pull request" side --ref refs/pull/7/head \
		"$base/site.git"
	for ref in main v1 "$first" refs/pull/7/head; do
		fetch --resolve --ref "$ref" "$base/site.git"
		is "$error $(jq -rs '.[0].commit' "$T/result")" \
			"none $(git -C "$site" rev-parse "$ref^{commit}")" \
			"$how: what $ref is, without its pack"
	done
	fetch --resolve "$base/site.git"
	is "$(jq -rs '.[0] | .commit, .ref' "$T/result" | paste -sd ' ')" \
		"$second main" "$how: … and the default branch"
	refuses ref_not_found "$how: … or that there is none" --resolve \
		--ref nope "$base/site.git"
	refuses fetch_failed "$how: objects by SHA-256" "$base/sha256.git"
	like "$(cat "$T/result")" "SHA-256" "$how: … which is told"
	export DAVIT_SOURCE_BYTES=100000 DAVIT_PACK_BYTES=50000
	refuses repository_too_large "$how: one blob over the limit" \
		--ref large "$base/limit.git"
	like "$(cat "$T/result")" "large.bin is larger" \
		"$how: … which is not even sent"
	fetch --ref ignored "$base/limit.git"
	is "$error $(tar -tf "$T/out.tar" | paste -sd ' ')" \
		"none .gitignore f" "$how: … and not missed where it is ignored"
	unset DAVIT_SOURCE_BYTES DAVIT_PACK_BYTES
	refuses ref_not_found "$how: no such branch" --ref nope \
		"$base/site.git"
	refuses ref_not_found "$how: no such commit" \
		--ref 0123456789012345678901234567890123456789 "$base/site.git"
	refuses repository_not_found "$how: no such repository" \
		"$base/nope.git"
	refuses repository_empty "$how: an empty repository" \
		"$base/empty.git"
done

is "$(jq -c . "$T/result" | wc -l)" 1 "a failure is one line"
fetch "$URL/v2/site.git"
is "$(jq -rs '.[0].ignored.names | join(" ")' "$T/result")" \
	"a.log dist/x.js docs/secret.key name with blank/a.tmp src/deep/b.log" \
	"the ignored files' names"
fetch --ignored keep "$URL/v2/site.git"
is "$error $(tar -tf "$T/out.tar" 2>/dev/null | grep -c log)" "none 3" \
	"they are kept on demand"
same "a directory that is there: the whole is streamed" main \
	--dir ./src/deep/ "$URL/v2/site.git"
refuses dir_not_found "a directory that is not" --dir nope "$URL/v2/site.git"
refuses dir_not_found "a file is no directory" --dir index.html \
	"$URL/v2/site.git"
refuses dir_not_found "an ignored directory" --dir dist "$URL/v2/site.git"
refuses bad_request "a directory outside" --dir ../x "$URL/v2/site.git"
refuses bad_request "a ref that is none" --ref 'a..b' "$URL/v2/site.git"
for url in file:///etc "ssh://a:b@127.0.0.1/x" "ext::sh -c id" "$T/git/site.git" \
	"http://user:pw@127.0.0.1:$PORT/v2/site.git" \
	"git://127.0.0.1:$daemon/a%0ab" --; do
	refuses bad_request "no URL that is fetched: ${url%%:*}" -- "$url"
done
words=$("$program" --ref nope "$URL/v2/site.git" 2>&1 3>&- >/dev/null)
like "$words" "no branch or tag 'nope'.*Name a branch" \
	"by hand, a sentence and what to do"
is "$("$program" --resolve "$URL/v2/site.git" 3>&-)" "$second" \
	"or only the commit's id"
fetch "$URL/v2/site.git"
cp "$T/out.tar" "$T/first.tar"
fetch "$URL/v0/site.git"
runs "the same commit gives the same bytes" cmp "$T/first.tar" "$T/out.tar"

# --- .davitignore ---

(
	cd "$T/work" && git checkout -qb own main
	printf 'docs/\n!a.log\n' >.davitignore
	git add -Af && git commit -qm own && git push -q "$site" own
) >&2
own "$T/git"
fetch --ref own "$URL/v2/site.git"
names=$(tar -tf "$T/out.tar" 2>/dev/null | paste -sd ' ')
unlike "$names" docs ".davitignore leaves out more"
like "$names" a.log "and brings back"

# --- limits ---

DAVIT_SOURCE_BYTES=1000 refuses repository_too_large "too many bytes" \
	"$URL/v2/site.git"
DAVIT_SOURCE_FILES=3 refuses repository_too_large "too many files" \
	"$URL/v2/site.git"
DAVIT_PACK_BYTES=1000 refuses repository_too_large "too large a pack" \
	"$URL/v2/site.git"

# --- addresses ---

for allow in '' example.org 127.0.0.2 127.0.0.1:1 "127.0.0.1:${PORT}0"; do
	DAVIT_ALLOW_HOSTS=$allow refuses address_forbidden \
		"loopback is not reached with allow_hosts '$allow'" \
		"$URL/v2/site.git"
done
for allow in "x 127.0.0.1:$PORT" localhost "LocalHost:$PORT"; do
	DAVIT_ALLOW_HOSTS=$allow fetch "http://localhost:$PORT/v2/site.git"
	is "$error" none "loopback is reached with allow_hosts '$allow'"
done
for host in 10.0.0.1 169.254.169.254 0.0.0.0 100.64.0.1 '[::1]' \
	'[::ffff:10.0.0.1]' '[fe80::1]' '[fd00::1]' '[64:ff9b::a00:1]' \
	2130706433 0x7f.1 127.1; do
	DAVIT_ALLOW_HOSTS='' refuses address_forbidden "private: $host" \
		"http://$host/x.git"
done
DAVIT_ALLOW_HOSTS='' refuses address_forbidden "private over git://" \
	"git://127.0.0.1:$daemon/site.git"
refuses repository_not_found "a name that does not exist" \
	http://no-such-host.invalid/x.git

# --- another user ---

if [ "$(id -u)" -eq 0 ]; then
	DAVIT_FETCH_USER=www-data fetch "$URL/v2/site.git"
	is "$error" none "started by root, it becomes another user"
	DAVIT_FETCH_USER=no-such-user fetch "$URL/v2/site.git"
	is "$code" 1 "one that is not there is an error"
	DAVIT_FETCH_USER=www-data DAVIT_FETCH_TIME=30 "$program" \
		"$faulty/silent/x.git" >/dev/null 2>&1 3>&- &
	pid=$!
	became() {
		pgrep -u www-data -f "^$program $faulty/silent" >/dev/null
	}
	runs "and gives root up" poll_until 5 became
	pid_inside=$(pgrep -u www-data -f "^$program $faulty/silent")
	is "$(awk '/^(NoNewPrivs|CapPrm|CapEff|CapAmb|Groups):/ { print $2 }' \
		"/proc/$pid_inside/status" | sort -u | paste -sd ' ')" \
		"0000000000000000 1 33" "… with no right and no other group"
	like "$(grep -E 'core file size|open files' "/proc/$pid_inside/limits" |
		tr -s ' ')" 'size 0 0 .*files 64 64' "… within limits"
	is "$(find "/proc/$pid_inside/fd" -lname '/*' -printf '%l\n' |
		grep -vE '^(/dev/null|/tmp/davit\.)' | sort -u)" "" \
		"… and no file open but its own"
	kill "$pid"
	wait "$pid" 2>/dev/null
fi

# --- hostile repositories ---

# A tree from "MODE NAME ID" lines, whatever git thinks of it; the name in
# perl's notation.
tree() { # LINE…
	printf '%s\n' "$@" | perl -ne '
		my ($mode, $name, $id) = split or next;
		$name =~ s/\\x(..)/chr hex $1/ge;
		print "$mode $name\0", pack("H40", $id);
	' | git -C "$T/git/evil.git" hash-object -w -t tree --literally --stdin
}

branch() { # NAME TREE
	git -C "$T/git/evil.git" update-ref "refs/heads/$1" \
		"$(git -C "$T/git/evil.git" commit-tree -m "$1" "$2")"
}

git init -q --bare "$T/git/evil.git"
blob=$(echo x | git -C "$T/git/evil.git" hash-object -w --stdin)
out=$(printf '../../etc' | git -C "$T/git/evil.git" hash-object -w --stdin)
root=$(printf '/etc' | git -C "$T/git/evil.git" hash-object -w --stdin)
turn=$(printf 'x/../y' | git -C "$T/git/evil.git" hash-object -w --stdin)
sub=$(tree "100644 f $blob")
evil=()
n=0
add_evil() { # WHAT LINE…
	local what=$1
	shift
	n=$((n + 1))
	branch "e$n" "$(tree "$@")"
	evil[n]=$what
}
# shellcheck disable=SC2016
for name in .. . .git .GIT .Git 'git~1' 'GIT~1' '.git.' '.git\x20' \
	'.git::$INDEX_ALLOCATION' '.g\xe2\x80\x8cit' '\xef\xbb\xbf.git' \
	'a/b' '../x' '/etc' 'a\x5cb' 'a\x0ab' 'a\x1bb' 'a\xffb' \
	"$(printf '%0300d' 0)"; do
	add_evil "a file $name" "100644 $name $blob"
done
add_evil "a directory .git" "40000 .git $sub"
add_evil "a directory .." "40000 .. $sub"
add_evil "a link that leaves" "120000 l $out"
add_evil "an absolute link" "120000 l $root"
add_evil "a link by way of another" "120000 l $turn"
add_evil "a link .gitignore" "120000 .gitignore $out"
add_evil "a name twice" "100644 a $blob" "100755 a $blob"
add_evil "a link and a directory" "120000 a $blob" "100644 a.b $blob" \
	"40000 a $sub"
add_evil "a device" "60644 d $blob"
add_evil "a fifo" "10644 d $blob"
add_evil "setuid" "104755 d $blob"
deep=$sub
for _ in $(seq 70); do
	deep=$(tree "40000 d $deep")
done
branch deep "$deep"
bomb=$sub
for _ in $(seq 10); do
	mapfile -t lines < <(printf "40000 d%d $bomb\n" $(seq 0 9))
	bomb=$(tree "${lines[@]}")
done
branch bomb "$bomb"
branch ignored-bomb "$(tree "100644 .gitignore $(printf 'd*\n' |
	git -C "$T/git/evil.git" hash-object -w --stdin)" \
	"40000 d $bomb" "100644 f $blob")"
branch module "$(tree "100644 f $blob" "160000 sub $blob")"
branch old "$(tree "100664 f $blob" "120000 l $blob")"
own "$T/git"

for i in $(seq $n); do
	refuses repository_unsafe "refused: ${evil[i]}" --ref "e$i" \
		"$URL/v2/evil.git"
done
refuses repository_unsafe "refused: 70 directories deep" --ref deep \
	"$URL/v2/evil.git"
refuses repository_too_large "refused: a bomb of trees" --ref bomb \
	"$URL/v2/evil.git"
refuses repository_too_large "refused: one that is ignored" \
	--ref ignored-bomb "$URL/v2/evil.git"
fetch --ref module "$URL/v2/evil.git"
is "$error $(tar -tf "$T/out.tar" 2>/dev/null)" "none f" \
	"a submodule is left out"
fetch --ref old "$URL/v2/evil.git"
like "$error" '^(none|repository_unsafe)$' "an old mode does no harm"

# --- a host that misbehaves ---

export DAVIT_FETCH_TIME=20
refuses repository_private "401: private" "$faulty/401/site.git"
refuses repository_private "403: private" "$faulty/403/site.git"
refuses repository_private "403: private, if only asked what it is" \
	--resolve "$faulty/403/site.git"
refuses repository_not_found "404: not there" "$faulty/404/site.git"
refuses fetch_failed "429: too many requests" "$faulty/429/site.git"
refuses fetch_failed "500: failed" "$faulty/500/site.git"
refuses repository_not_found "a web page is no repository" \
	"$faulty/html/site.git"
refuses fetch_failed "redirects without end" "$faulty/loop/site.git"
refuses repository_not_found "a redirect to a sign-in page" \
	"$faulty/login/site.git"
refuses address_forbidden "a redirect to a private address" \
	"$faulty/inward/site.git"
refuses fetch_failed "a redirect to another protocol" \
	"$faulty/elsewhere/site.git"
same "a redirect that is right" main "$faulty/moved/site.git"
refuses fetch_failed "half a pack, the length says" "$faulty/cut/site.git"
refuses fetch_failed "half a pack, nothing says" "$faulty/clean/site.git"
refuses fetch_failed "half a pack, then a reset" "$faulty/reset/site.git"
refuses fetch_failed "a branch that moves meanwhile" "$faulty/race/site.git"
like "$(cat "$T/result")" "has moved meanwhile" "… is told"
refuses fetch_failed "a bit is wrong" "$faulty/flip/site.git"
refuses fetch_failed "… of the checksum" "$faulty/sum/site.git"
refuses fetch_failed "progress without end" "$faulty/progress/site.git"
refuses repository_too_large "a pack of 2^32-1 objects" \
	"$faulty/billion/site.git"
refuses fetch_failed "no pack at all" "$faulty/nothing/site.git"
refuses fetch_failed "git:// that hangs up" "git://127.0.0.1:$faults/cut"
free=$(free_port)
refuses fetch_failed "nobody listens" "http://127.0.0.1:$free/x.git"
export DAVIT_FETCH_TIME=1
for url in "$faulty/silent/site.git" "git://127.0.0.1:$faults/silent" \
	"$faulty/drip/site.git"; do
	refuses fetch_timeout "at the deadline: $url" "$url"
done

# A resolver that takes questions and never answers.
silent_dns() { # NAME URL
	local begun=${EPOCHREALTIME/./} words
	# shellcheck disable=SC2016
	words=$(unshare -m sh -c 'mount --bind "$0" /etc/resolv.conf &&
		exec "$@"' "$T/resolv.conf" "$program" "$2" 2>&1 3>&- >/dev/null)
	is "$?" 4 "a resolver that never answers: $1"
	like "$words" 'not answer in time|takes too long' '… is told'
	begun=$(((${EPOCHREALTIME/./} - begun) / 1000))
	if [ $begun -lt 15000 ]; then
		ok '… in time'
	else
		not_ok '… in time' "$begun ms"
	fi
}
start_silent_dns() { # ADDRESS
	local as_user=(setpriv --pdeathsig TERM) # port 53 is root's
	printf 'nameserver %s\noptions timeout:30\n' "$1" >"$T/resolv.conf"
	start silent-dns perl -MIO::Socket::INET -e '$| = 1;
		my $s = IO::Socket::INET->new(Proto => "udp", LocalPort => 53,
		LocalAddr => $ARGV[0]) or die; print("up\n"); sleep 600' "$1"
	must_start silent-dns grep -q up "$T/log/silent-dns"
}
if [ "$(id -u)" -eq 0 ]; then
	start_silent_dns "127.1.$((RANDOM % 256)).$((RANDOM % 256))"
	export DAVIT_FETCH_TIME=2
	silent_dns git git://git.example.org/x.git
	silent_dns https https://git.example.org/x.git
	unset DAVIT_FETCH_TIME
	stop silent-dns
fi
unset DAVIT_FETCH_TIME

# --- nothing is left ---

"$program" "$faulty/silent/x.git" >/dev/null 2>&1 3>&- &
pid=$!
scratch_is_there() { compgen -G "$TMPDIR/davit-fetch-*" >/dev/null; }
runs "a scratch directory is there while it runs" \
	poll_until 5 scratch_is_there
kill "$pid"
wait "$pid"
is $? 143 "it ends when told to"
is "$(ls -A "$TMPDIR")" "" "and nothing is left after all of that"

# --- into the store ---

cp "$top_builddir/tests/ingest_probe" "$T/libexec"
probe() { # ID URL [REF [DIR]]
	answer=$("${as_user[@]}" "$T/libexec/ingest_probe" \
		"$T/davit.conf" "$@" 2>>"$T/log/ingest")
	error=$(jq -r '.error // "none"' <<<"$answer")
}

: >"$T/log/ingest"
own "$T/log/ingest"
write_conf "fetch_time 20"
probe aaaaaaaaaa "$URL/v2/site.git"
is "$error" none "ingest fetches into the store"
is "$(jq -r '.commit, .ref, .subject, .ignored.count, .failed' \
	<<<"$answer" | paste -sd ' ')" "$second main second 5 false" \
	"and tells what it was"
object=$(find "$T/store" -name aaaaaaaaaa.tar.zst)
tar --zstd -xOf "$object" src/numbers 2>/dev/null | tail -n 1 >"$T/last"
is "$(cat "$T/last")" 20001 "the object is a compressed tar"
rm -f "$object"
own_store() { find "$T/store" -type f; }

fails() { # ERROR NAME ARGUMENT…
	local want=$1 name=$2
	shift 2
	probe bbbbbbbbbb "$@"
	is "$error $(jq -r .failed <<<"$answer") $(own_store)" \
		"$want true " "$name, and no object"
}

fails repository_not_found "ingest: no repository" "$URL/v2/nope.git"
like "$(jq -r .message <<<"$answer")" '^Failed to clone repository: ' \
	"the message starts as it should"
fails ref_not_found "ingest: no such branch" "$URL/v2/site.git" nope
fails dir_not_found "ingest: no such directory" "$URL/v2/site.git" main x
fails repository_unsafe "ingest: unsafe" "$URL/v2/evil.git" e1
fails fetch_failed "ingest: half a pack" "$faulty/clean/site.git"
fails repository_private "ingest: private" "$faulty/401/site.git"
fails bad_request "ingest: a URL like an option" --help
write_conf "fetch_time 1"
fails fetch_timeout "ingest: the deadline" "$faulty/silent/site.git"
write_conf "fetch_time 20" "allow_hosts 127.0.0.2"
fails address_forbidden "ingest: a private address" "$URL/v2/site.git"
write_conf "fetch_time 20"

# A fetch program that lies, dies or hangs.
liar() { # ERROR NAME LINE…
	local want=$1 name=$2
	shift 2
	mkdir -p "$T/liar"
	printf '%s\n' '#!/bin/sh' "$@" >"$T/liar/davit-fetch"
	chmod 755 "$T/liar" "$T/liar/davit-fetch"
	DAVIT_LIBEXECDIR=$T/liar fails "$want" "$name" "$URL/v2/site.git"
}
commit='echo "{\"commit\":\"x\",\"files\":1}" >&3'
liar internal_error "ingest: success without a word" 'echo tar'
liar internal_error "ingest: ok without a commit" 'echo "{\"ok\":true}" >&3'
liar internal_error "ingest: no ok" "$commit"
liar internal_error "ingest: ok, then failure" "$commit" \
	'echo "{\"ok\":true}" >&3' 'exit 1'
liar internal_error "ingest: nothing but a commit" \
	'echo "{\"commit\":\"'"$second"'\"}" >&3' \
	'echo "{\"ok\":true}" >&3'
liar internal_error "ingest: death by signal" "$commit" 'kill -9 $$'
liar internal_error "ingest: a result without end" 'yes >&3'
liar repository_too_large "ingest: out of memory" 'exit 71'
write_conf "fetch_time 1"
liar fetch_timeout "ingest: a hang with both ends closed" \
	'exec >&- 3>&-' 'exec sleep 60'
liar fetch_timeout "ingest: a grandchild holds the pipe" 'sleep 60 &' 'exit 0'
is "$(ls -A "$T/scratch")" "" "the scratch directory is empty"
is "$(find "$T/store" -type f)" "" "so is the store"

done_testing
