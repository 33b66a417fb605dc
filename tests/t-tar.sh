#!/bin/bash
# POST /get/tar under Apache and lighttpd: archives of every kind into the
# store, and nothing of those that are broken or hostile.
# shellcheck disable=SC2119

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"

need jq curl git redis-server apache2 lighttpd perl xz bzip2 zstd
services_begin
write_conf 'source_bytes 8M' 'source_files 2000'
start_redis

# Send an archive: $code, $answer.
send() { # FILE|- QUERY [CURL OPTION…]
	local file=$1 query=$2
	shift 2
	answer=$(curl -sS --noproxy '*' --max-time 60 -H 'Host: davit.test' \
		-T "$file" -w '\n%{http_code}' "$@" "$URL/get/tar$query")
	code=${answer##*$'\n'}
	answer=${answer%$'\n'*}
}

field() { # JQ-EXPRESSION
	jq -r "$1" <<<"$answer"
}

refused() { # CODE ERROR NAME
	is "$code $(field .error)" "$1 $2" "$3"
	[ -n "$(field '.hint // empty')" ] || not_ok "… with a hint" "$answer"
}

# Path, type, link and contents of what the store has of an id.
stored() { # ID
	rm -rf "$T/tmp/got"
	mkdir "$T/tmp/got"
	zstd -dcq "$T/store/output/$1.tar.zst" | tar -x -C "$T/tmp/got"
	census "$T/tmp/got"
}

census() { # DIRECTORY
	(cd "$1" && find . -mindepth 1 -printf '%P %y %l ' \
		\( -type f -perm -100 -printf 'x ' -o -true \) \
		\( -type f -exec sha1sum {} \; -o -printf '\n' \)) | sort
}

left() {
	find "$T/store" "$T/scratch" -type f -o -mindepth 1 -name 'fetch-*'
	rcli --raw keys '*' | grep -v '^davit:check$'
}

# --- a site to send ---

work=$T/tmp/work
mkdir -p "$work/web/src" "$work/dist"
(
	export HOME=$T/tmp GIT_CONFIG_NOSYSTEM=1
	cd "$work" && git init -q -b main
	printf '/dist/\n' >.gitignore
	printf '<h1>hi</h1>\n' >web/index.html
	seq 20000 >web/src/numbers
	printf '#!/bin/sh\n' >run.sh
	chmod 755 run.sh
	ln -s web/index.html link
	printf 'made\n' >dist/made.js
	printf 'ü\n' >'web/größe x.txt'
	git add -Af && git -c user.name=t -c user.email=t@davit.test \
		commit -qm first
) >&2
wanted=$(cd "$work" && rm -rf "$T/tmp/want" && mkdir "$T/tmp/want" &&
	git archive HEAD | tar -x -C "$T/tmp/want" && census "$T/tmp/want")
git -C "$work" archive HEAD >"$T/tmp/plain.tar"

# Broken and hostile archives, from "TYPE NAME LINK-OR-TEXT" lines.
evil() { # FILE LINE…
	local file=$1
	shift
	printf '%s\n' "$@" | perl -e '
		sub entry {
			my ($type, $name, $what, $size) = @_;
			my $data = $type eq "0" ? $what : "";
			my $h = pack("a100a8a8a8a12a12a8a1a100a6a2a32a32a8a8a155x12",
			    $name, "0004755", "0000000", "0000000",
			    sprintf("%011o", $size // length $data),
			    "00000000000", "        ", $type,
			    $type eq "0" ? "" : $what, "ustar", "00", "", "",
			    $type =~ /[34]/ ? "0000001" : "",
			    $type =~ /[34]/ ? "0000003" : "", "");
			substr($h, 148, 8) = sprintf("%06o\0 ",
			    unpack("%32C*", $h));
			print $h, $data, "\0" x (-length($data) % 512);
		}
		while (<STDIN>) {
			chomp;
			my ($type, $name, $what, $size) = split / /;
			$name =~ s/\\x(..)/chr hex $1/ge;
			entry($type, $name, $what // "", $size);
		}
		print "\0" x 1024;' >"$file"
}

# --- both web servers ---

both() {
	local query id kind zip other

	send "$T/tmp/plain.tar" '?output=web&install=&build='
	is "$code $(field .success)" '200 true' "$1: a plain archive is taken"
	id=$(field .id)
	is "$(stored "$id")" "$wanted" \
		"$1: … and stored as it is, whatever .gitignore says"
	is "$(rcli hmget "davit:deployment:$id" state output url | xargs)" \
		'queued web' "$1: … its options are in the record"
	is "$(rcli lpos build-queue "$id")" 0 "$1: … and it is queued"
	other=$id

	for kind in gzip:gz bzip2:bz2 xz:xz zstd:zst; do
		zip=${kind%:*}
		answer=$(git -C "$work" archive HEAD | "$zip" -c | curl -sS \
			--noproxy '*' -H 'Host: davit.test' -T - "$URL/get/tar")
		id=$(field .id)
		runs "$1: .tar.${kind#*:} from a pipe gives the same bytes" cmp \
			"$T/store/output/$id.tar.zst" \
			"$T/store/output/$other.tar.zst"
	done
	send "$T/tmp/plain.tar" '?dir=web/' -X POST
	is "$code" 200 "$1: POST is as good as PUT"
	is "$(rcli hget "davit:deployment:$(field .id)" dir)" web \
		"$1: a directory of it"
	tar -C "$work" -cf "$T/tmp/dot.tar" .
	send "$T/tmp/dot.tar" ''
	id=$(field .id)
	is "$(stored "$id")" "$wanted" "$1: tar's own way, without .git"
	like "$(rcli hget "davit:deployment:$id" notes)" "git's own files" \
		"$1: … of which a note tells"

	rcli flushall >/dev/null
	find "$T/store" -type f -delete
	for query in '?url=https://example.org/a' '?colour=red' '?dir=../x' \
		'?ref=main' '?node=!' '?env=A' '?framework=A%20B'; do
		send "$T/tmp/plain.tar" "$query"
		refused 400 bad_request "$1: refused: $query"
	done
	send "$T/tmp/plain.tar" '?dir=nope'
	refused 422 dir_not_found "$1: a directory that is not there"
	send "$T/tmp/plain.tar" '' -X PATCH
	refused 405 method_not_allowed "$1: archives are sent"
	head -c 4000000 /dev/zero | tr '\0' x >"$T/tmp/noise"
	send "$T/tmp/noise" ''
	refused 422 archive_invalid "$1: what is no archive"
	head -c 9000000 /dev/urandom >"$T/tmp/f"
	tar -C "$T/tmp" -cf "$T/tmp/large.tar" f
	send "$T/tmp/large.tar" ''
	refused 413 too_large "$1: too many bytes"
	is "$(left)" '' "$1: nothing is left of those"
}

start_apache 'LogLevel info'
both Apache

# --- broken and hostile ---

hostile() { # NAME LINE…
	local name=$1
	shift
	evil "$T/tmp/evil.tar" "$@"
	send "$T/tmp/evil.tar" ''
	refused 422 archive_invalid "refused: $name"
}

evil "$T/tmp/evil.tar" '0 a x' '5 d' '0 d/b y' '5 d'
send "$T/tmp/evil.tar" ''
is "$code" 200 'a directory may be there twice'
is "$(zstd -dcq "$T/store/output/$(field .id).tar.zst" | tar -tv | cut -c -10 |
	paste -sd ' ')" '-rwxr-xr-x drwxr-xr-x -rwxr-xr-x drwxr-xr-x' \
	'a setuid bit is not kept'
rcli flushall >/dev/null
find "$T/store" -type f -delete
hostile 'no file' '5 d'
hostile 'a path that leaves' '0 ../x y'
hostile 'one in the middle' '0 a/../../x y'
hostile 'an absolute one' '0 /etc/x y'
hostile 'a link that leaves' '2 l ../x'
hostile 'an absolute link' '2 l /etc'
hostile 'a link by way of another' '2 l x/../y'
hostile 'a hard link' '0 a x' '1 b a'
hostile 'a character device' '3 d'
hostile 'a block device' '4 d'
hostile 'a fifo' '6 d'
hostile 'a name twice' '0 a x' '0 a y'
hostile 'below a link' '5 d' '2 l d' '0 l/x y'
hostile 'below a file, out of order' '0 a/x y' '0 a x'
hostile ".git in disguise" '0 .GIT/config x'
hostile ".git's short name" '0 git~1/config x'
hostile 'a backslash' '0 a\x5cb x'
hostile 'a control byte' '0 a\x1bb x'
hostile 'no UTF-8' '0 a\xffb x'
evil "$T/tmp/evil.tar" '0 a x 99999999'
send "$T/tmp/evil.tar" ''
refused 413 too_large 'a file that claims much'
head -c 30000 "$T/tmp/plain.tar" >"$T/tmp/cut.tar"
send "$T/tmp/cut.tar" ''
refused 422 archive_invalid 'cut in the middle of a file'
evil "$T/tmp/evil.tar" '0 a x' '0 b y'
head -c 1024 "$T/tmp/evil.tar" >"$T/tmp/cut.tar"
send "$T/tmp/cut.tar" ''
refused 422 archive_invalid 'cut between two files'
gzip -c "$T/tmp/plain.tar" | head -c 20000 >"$T/tmp/cut.tgz"
send "$T/tmp/cut.tgz" ''
refused 422 archive_invalid 'a compressed one that is cut'
printf '0 f%d x\n' {1..2001} >"$T/tmp/lines"
mapfile -t lines <"$T/tmp/lines"
evil "$T/tmp/evil.tar" "${lines[@]}"
send "$T/tmp/evil.tar" ''
refused 413 too_large 'too many files'
head -c 300M /dev/zero >"$T/tmp/f"
tar -C "$T/tmp" -cf - f | gzip -1 >"$T/tmp/bomb.tgz"
rm "$T/tmp/f"
send "$T/tmp/bomb.tgz" ''
refused 413 too_large 'a bomb'
: >"$T/tmp/empty"
send "$T/tmp/empty" ''
refused 422 archive_invalid 'nothing at all'

# The client goes away, its archive half sent.
(
	printf 'PUT /get/tar HTTP/1.1\r\nHost: davit.test\r\n'
	printf 'Content-Length: 102400\r\n\r\n'
	head -c 50000 "$T/tmp/plain.tar"
) >/dev/tcp/127.0.0.1/"$PORT"
(
	printf 'PUT /get/tar HTTP/1.1\r\nHost: davit.test\r\n'
	printf 'Transfer-Encoding: chunked\r\n\r\n%x\r\n' 50000
	head -c 50000 "$T/tmp/plain.tar"
	printf '\r\n'
) >/dev/tcp/127.0.0.1/"$PORT"
seen() {
	[ "$(grep -c "can't get data from http client" "$T/log/apache")" -ge 2 ]
}
runs 'a client that leaves is seen' poll_until 20 seen
send "$T/tmp/plain.tar" '?dir=nope'
is "$(left)" '' 'nothing is left of all that'
stop_redis
send "$T/tmp/plain.tar" ''
refused 503 unavailable 'without Redis nothing is taken'
start_redis
is "$(left)" '' '… nor kept'
stop_apache

# --- who may ---

printf 'alice %s\n' "$(printf alpha | sha256sum | cut -c -64)" >"$T/tokens"
chmod 640 "$T/tokens"
own "$T/tokens"
write_conf "tokens $T/tokens"
start_apache
send "$T/tmp/large.tar" ''
refused 401 unauthorized 'without a token, nothing of 9 MB is taken'
send "$T/tmp/plain.tar" '' -H 'Authorization: Bearer alpha'
is "$code" 200 'with one, it is'
is "$(rcli hget "davit:deployment:$(field .id)" owner)" alice '… as its own'
stop_apache
rcli flushall >/dev/null
find "$T/store" -type f -delete

write_conf 'source_bytes 8M' 'source_files 2000'
start_lighttpd
both lighttpd

done_testing
