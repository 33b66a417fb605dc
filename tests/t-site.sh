#!/bin/bash
# Sites under Apache: what it serves itself, what site.fcgi answers, and what
# neither shows.
# shellcheck disable=SC2119,SC2154

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"
# shellcheck source=site-fixture.sh
. "$here/site-fixture.sh"

need jq curl apache2
services_begin
write_conf
sites_begin

# mod_php is rarely there when tests run; this is how it catches its files.
start_apache "<FilesMatch \"\\.php\$\">" \
	"SetHandler fcgid-script" "</FilesMatch>"

# --- by Apache itself ---

get "$plain" /app.js
is "$code" 200 "a file is served"
is "$(body)" 'console.log("app")' "as it is"
like "$(header content-type)" '^text/javascript; ?charset=utf-8$' \
	"with its type"
is "$(header x-content-type-options)" nosniff "which browsers must not guess"
is "$(header cache-control)" "public, max-age=0, must-revalidate" \
	"and ask about each time"
like "$(header server)" Apache "(by Apache)"
like "$(header vary)" Accept-Encoding "for those who take no other form"
is "$(header content-encoding)" "" "nor is it one"
etag=$(header etag)
get "$plain" /app.js -H "If-None-Match: $etag"
is "$code" 304 "unchanged, it is not sent again"
put "$plain" app.js.br 'by brotli'
for accept in br 'gzip, deflate, BR;q=0.5' 'gzip,br ; q=1.0'; do
	get "$plain" /app.js -H "Accept-Encoding: $accept"
	is "$(header content-encoding) $(body)" 'br by brotli' \
		"brotli for '$accept'"
done
like "$(header content-type)" '^text/javascript; ?charset=utf-8$' \
	"with the type of the file"
like "$(header vary)" Accept-Encoding "and what it depends on"
unlike "$(header etag)" "^$etag\$" "under an ETag of its own"
for accept in gzip 'br;q=0' 'br; q=0.0, gzip' 'brx'; do
	get "$plain" /app.js -H "Accept-Encoding: $accept"
	is "$(header content-encoding) $(body)" ' console.log("app")' \
		"no brotli for '$accept'"
done
get "$plain" /app.js.br
is "$code" 404 "by its own name it is no file of the site"
get "$half" /app.js -H 'Accept-Encoding: br'
is "$code" 404 "a site without a manifest has no brotli either"
get "$plain" /assets/index-BxY3_k9Q.js
is "$(header cache-control)" "public, max-age=31536000, immutable" \
	"a hashed name is kept for ever"
get "$plain" /_next/static/a.css
is "$(header cache-control)" "public, max-age=31536000, immutable" \
	"so is what a framework keeps hashed"
get "$plain" /_next/static/sw.js
like "$(header cache-control)" must-revalidate "but no service worker"
get "$plain" /page-12345678
like "$(header cache-control)" must-revalidate "and no page"
get "$plain" /jquery-3.7.1.min.js
like "$(header cache-control)" must-revalidate "a version is no hash"
get "$plain" /big.bin -H 'Range: bytes=1000-1009'
is "$code $(header content-range)" "206 bytes 1000-1009/200000" \
	"a part is served"
get "$plain" /a%20b%23c%3fd.txt
is "$code $(body)" "200 odd" "names may be odd"
for type in 'style.css text/css; ?charset=utf-8' 'i.svg image/svg' \
	'd.json application/json' 'm.wasm application/wasm' \
	'f.woff2 font/woff2' 'x.webmanifest application/manifest'; do
	get "$plain" "/${type%% *}"
	like "$(header content-type)" "^${type#* }" "type of ${type%% *}"
done

# --- hostile contents ---

get "$plain" /shell.php
is "$code $(body)" "200 <?php echo 1+1;" "PHP is shown, not run"
get "$plain" /run.cgi
is "$code $(body)" "200 #!/bin/sh" "so is CGI"
get "$plain" /ssi.shtml
like "$(body)" 'exec cmd=' "so are server-side includes"
get "$plain" /page.var
is "$code" 200 "so is a type map"
for path in /.env /.git/config /a/.htpasswd /.htaccess /.well-known/.x; do
	get "$plain" "$path"
	is "$code" 404 "not shown: $path"
done
get "$plain" /.well-known/security.txt
is "$code $(body)" "200 mailto:x" "but /.well-known/ is"
for path in /../secret /a/../../secret /%2e%2e/secret /..%2fsecret \
	/%2e%2e%2fsecret '/..%5csecret' /a/%2e%2e/%2e%2e/secret /%00 \
	//app.js/../secret '/app.js%00.html'; do
	get "$plain" "$path" --path-as-is
	like "$code" '^40[04]$' "refused: $path"
	unlike "$(body)" secret "and nothing of it shown"
done
get "$plain" /a/.htaccess/../index.html --path-as-is
unlike "$code" '^5' "no .htaccess is read"

# --- by site.fcgi ---

get "$plain" /
is "$code $(body)" "200 <h1>home</h1>" "the index page"
like "$(header content-type)" '^text/html; ?charset=utf-8$' "with its type"
is "$(header cache-control)" "public, max-age=0, must-revalidate" \
	"asked about each time"
is "$(header x-content-type-options)" nosniff "not to be guessed"
etag=$(header etag)
unlike "$etag" '^"[0-9a-f]{32}"$' "(by Apache)"
get "$plain" / -H "If-None-Match: $etag"
is "$code $(body)" "304 " "unchanged, it is not sent again"
get "$plain" / -H 'Range: bytes=4-7'
is "$code $(body) $(header content-range)" "206 home bytes 4-7/13" \
	"a part of it"
get "$plain" / -H 'Range: bytes=13-'
is "$code $(header content-range)" "416 bytes */13" "no part of it"
get "$plain" / -I
is "$code $(header content-length)" "200 13" "its headers alone"
get "$plain" /about
is "$code $(body)" "200 about" "a page without its ending"
get "$plain" '/docs?a=1&b'
is "$code $(header location)" "308 /docs/?a=1&b" "to the directory"
get "$plain" /docs/
is "$code $(body)" "200 docs" "the directory's page"
get "$plain" '/about/?q'
is "$code $(header location)" "308 /about?q" "to the page"
get "$plain" /big/
is "$code" 200 "a large file through site.fcgi"
is "$(sha256sum <"$T/body")" "$(sha256sum <"$T/store/dist/$plain/big.bin")" \
	"arrives whole"
get "$plain" //evil.test/
unlike "$(header location)" evil "no redirect to elsewhere"

get "$plain" '/a%20b%23c%3fd.txt'
etag=$(header etag)
like "$etag" '^"[0-9a-f]{32}"$' "what it cannot has an ETag of its contents"
get "$plain" '/a%20b%23c%3fd.txt' -H "If-None-Match: $etag"
is "$code $(body)" "304 " "unchanged, it is not sent again"

get "$plain" /nothing
is "$code" 404 "what is not there"
like "$(body)" 'Nothing here' "gets the page for that"
unlike "$(body)" 'https?://' "which needs nothing from elsewhere"
is "$(header cache-control)" no-store "and is not kept"
get "$plain" /nothing -X POST
is "$code $(header allow)" "405 GET, HEAD" "sites are for reading"
get "$plain" /app.js -X POST
is "$code" 405 "all of them"
get "${plain^^}.DAVIT.test.:80" /
is "$code $(body)" "200 <h1>home</h1>" \
	"hosts have no case, and may end in a dot"
get "${plain^^}.Davit.Test" /app.js
is "$code" 200 "for files as well"

get "$spa" /users/7 -H 'Accept: text/html'
is "$code $(body)" "200 spa" "a single-page application has its routes"
get "$spa" /users/7 -H 'Accept: application/json'
is "$code" 404 "for pages only"
get "$spa" /assets/gone.js
is "$code" 404 "not for scripts"
get "$own404" /nothing
is "$code $(body)" "404 mine" "a site's own 404 page"
get "$own404" /blog/nothing
is "$code $(body)" "404 blog" "the nearest one"

# --- what is no live site ---

for path in / /app.js /index.html; do
	get "$half" $path
	is "$code" 404 "half-published, $path is not to be seen"
done
get zzzzzzzzzz /
is "$code" 404 "no such site"
like "$(body)" 'Nothing here' "has a page too"
for host in "x.$plain.davit.test" "$plain.x.davit.test" \
	"$plain.davit.test.evil.org" \
	"nothing.davit.test" "..davit.test"; do
	get "$host" /app.js
	unlike "$(body)" console "not a site: $host"
done
get "$plain" /app.js
is "$code" 200 "live"
mv "$T/store/manifests/$plain.json" "$T/tmp"
get "$plain" /app.js
is "$code" 404 "until its manifest is gone"
get "$plain" /
is "$code" 404 "all of it, at once"
mv "$T/tmp/$plain.json" "$T/store/manifests"
get "$plain" /
is "$code" 200 "and back"

# --- what was deleted ---

mkdir -p "$T/store/deployments"
deleted() { # ID MS
	printf '{"id":"%s","state":"deployed","deleted":%s}' "$1" "$2" \
		>"$T/store/deployments/$1.json"
}
deleted gonegone01 1700000000000
deleted herehere01 0
put_alias past gonegone01
own "$T/store"
get gonegone01 /app.js
is "$code $(header cache-control)" '410 no-store' 'a deployment that was deleted'
like "$(body)" 'taken away for good' 'says so'
get past.davit.test /
is "$code" 410 'so does an alias that still points there'
get gonegone01 / -I
is "$code" 410 'and a HEAD'
get herehere01 /
is "$code" 404 'one that was not deleted is not found'
get gonegone02 /
is "$code" 404 'nor is what never was'

# --- trouble ---

rm "$T/store/dist/$plain/docs/index.html"
get "$plain" /docs/
is "$code" 404 "a file that is lost is not found"
echo '{' >"$T/store/manifests/$spa.json"
get "$spa" /users/7
is "$code" 500 "a damaged manifest is told"
unlike "$(body)" manifests "but not how"
chmod 0 "$T/store/manifests"
get "$own404" /
is "$code $(header retry-after)" "503 5" "a store that is away is told"
chmod 755 "$T/store/manifests"
get "$own404" /
is "$code" 200 "and when it is back"

done_testing
