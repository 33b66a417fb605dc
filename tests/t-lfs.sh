#!/bin/bash
# Files kept by Git LFS: got along, or left as pointers with a note.
# shellcheck disable=SC2119

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"

need jq git apache2 perl
services_begin
write_conf
port=$(free_port)
base=http://127.0.0.1:$port
mkdir "$T/lfs"

# The batch API and the objects, as the name of the repository wants them.
cat >"$T/lfs.cgi" <<'END'
#!/usr/bin/perl
use strict;
use warnings;
use JSON::PP;
my ($dir, $base) = ($ENV{LFS_DIR}, $ENV{LFS_BASE});
sub answer {
	my ($status, $type, $body, @more) = @_;
	print join("\r\n", "Status: $status", "Content-Type: $type", @more, '',
	    $body);
	exit;
}
my $uri = $ENV{REQUEST_URI};
if ($uri =~ m{/info/lfs/objects/batch$}) {
	my ($repo) = $uri =~ m{/git/(\w+)\.git/};
	answer('501 No', 'text/html', 'no') if $repo eq 'none';
	answer('200 OK', 'application/vnd.git-lfs+json', '{"objects": [')
	    if $repo eq 'broken';
	read(STDIN, my $body, $ENV{CONTENT_LENGTH});
	my $in = decode_json($body);
	my @out;
	for my $o (@{$in->{objects}}) {
		if (!-e "$dir/$o->{oid}") {
			push @out, { %$o, error => { code => 404 } };
			next;
		}
		push @out, { %$o, actions => { download => {
		    href => $repo eq 'inward' ? "http://10.0.0.1/$o->{oid}"
		    : "$base/$repo/$o->{oid}?sig=1",
		    header => { 'X-Key' => 'k', Host => 'evil.test' } } } };
	}
	answer('200 OK', 'application/vnd.git-lfs+json; charset=utf-8',
	    encode_json({ objects => \@out }));
}
my ($repo, $oid) = $uri =~ m{^/(\w+)/([0-9a-f]+)\?sig=1$} or
    answer('404 No', 'text/html', 'no');
answer('302 Found', 'text/html', 'moved', "Location: $base/other/$oid?sig=1")
    if $repo eq 'moved';
answer('403 No', 'text/html', 'no key')
    if ($repo ne 'other') != (($ENV{HTTP_X_KEY} // '') eq 'k');
open(my $f, '<', "$dir/$oid");
local $/;
my $data = <$f>;
substr($data, 3, 1) = '!' if $repo eq 'wrong';
chop $data if $repo eq 'short';
answer('200 OK', 'application/octet-stream', $data);
END
chmod 755 "$T/lfs.cgi"
own "$T"
start_apache "Listen 127.0.0.1:$port" "<VirtualHost *:$port>
	ServerName 127.0.0.1
	SetEnv GIT_PROJECT_ROOT $T/git
	SetEnv GIT_HTTP_EXPORT_ALL 1
	SetEnv LFS_DIR $T/lfs
	SetEnv LFS_BASE $base
	SetEnvIf Git-Protocol (.*) GIT_PROTOCOL=\$1
	ScriptAliasMatch /info/lfs/ $T/lfs.cgi
	ScriptAlias /git/ /usr/lib/git-core/git-http-backend/
	ScriptAliasMatch ^/ $T/lfs.cgi
	<Directory $T>
		Require all granted
	</Directory>
</VirtualHost>"
export DAVIT_ALLOW_HOSTS=127.0.0.1

pointer() { # OID SIZE
	printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %s\n' \
		"$1" "$2"
}

keep() { # FILE: into LFS; its pointer
	local oid
	oid=$(sha256sum <"$1" | cut -c -64)
	cp "$1" "$T/lfs/$oid"
	pointer "$oid" "$(wc -c <"$1")"
}

fetch() { # NAME: $error, $notes
	"$T/libexec/davit-fetch" "$base/git/$1.git" 3>"$T/result" \
		>"$T/out.tar" 2>>"$T/log/fetch"
	error=$(jq -rs '.[-1].error // "none"' "$T/result")
	notes=$(jq -rs '.[0].notes // [] | .[]' "$T/result")
}

sum() { # PATH: of a file in the stream
	tar -xOf "$T/out.tar" "$1" 2>/dev/null | sha256sum
}

site=$T/tmp/site
mkdir -p "$site/img"
head -c 300000 /dev/urandom >"$T/tmp/large"
echo small >"$T/tmp/small"
printf '*.png filter=lfs diff=lfs merge=lfs -text\n' >"$site/.gitattributes"
printf 'plain.png -filter\n' >"$site/img/.gitattributes"
keep "$T/tmp/large" >"$site/img/a.png"
keep "$T/tmp/small" >"$site/b.png"
cp "$site/b.png" "$site/c.png"
cp "$site/b.png" "$site/img/plain.png"
cp "$site/b.png" "$site/b.txt"
echo 'no pointer' >"$site/d.png"
for name in good moved wrong short inward none broken; do
	git_repo $name "$site" >/dev/null
done
large=$(sha256sum <"$T/tmp/large") small=$(sha256sum <"$T/tmp/small")
ptr=$(sha256sum <"$site/b.txt")

for name in good moved; do
	fetch $name
	is "$error $notes" 'none ' "$name: all is got"
	is "$(sum img/a.png) $(sum b.png) $(sum c.png)" \
		"$large $small $small" "$name: … with its contents"
	is "$(sum img/plain.png) $(sum b.txt)" "$ptr $ptr" \
		"$name: … where .gitattributes asks for it"
	is "$(sum d.png)" "$(sha256sum <"$site/d.png")" \
		"$name: … and what is no pointer stays"
done
is "$(jq -rs '.[0].bytes' "$T/result")" "$(tar -xOf "$T/out.tar" | wc -c)" \
	'its bytes are counted'
for name in wrong short inward; do
	fetch $name
	like "$error" '^(fetch_failed|address_forbidden)$' "$name: refused"
done
for name in none broken; do
	fetch $name
	is "$error $(sum b.png)" "none $ptr" "$name: pointers stay"
	like "$notes" 'stay pointers' '… with a note'
done
DAVIT_SOURCE_BYTES=20000 fetch good
is "$error $(sum b.png)" "none $small" 'as far as source_bytes allows'
like "$notes" '^img/a.png stays a pointer.*too large' '… with a note'
rm "$T/lfs/${large%% *}"
fetch good
is "$error $(sum b.png)" "none $small" 'an object that is gone'
like "$notes" '^img/a.png stays a pointer' '… is noted'

done_testing
