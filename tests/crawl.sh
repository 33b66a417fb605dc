#!/bin/bash
# Sites that real generators build from real contents, deployed through davit
# and crawled link by link in a headless Chromium; and the same files on an
# Apache that knows nothing of davit.  Nothing may be broken, complained of or
# look otherwise on davit alone.  A table is printed, and left in CRAWL_TABLE;
# CRAWL_SHOTS, a directory, gets a picture of each site's first page.
#
#	make crawl [CRAWL="NAME…"] [CRAWL_TABLE=FILE] [CRAWL_SHOTS=DIR]
#
# CRAWL_SOURCES keeps the projects for another run, CRAWL_PAGES bounds the
# pages of a site, CRAWL_SERVER is apache, apache_proxy, lighttpd or nginx.
# Needs npm's registry, apt-get download, and for two of them "deb-src" lines.
# shellcheck disable=SC2119,SC2154

# shellcheck source=tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=services.sh
. "$(dirname "$0")/services.sh"
# shellcheck source=projects.sh
. "$(dirname "$0")/projects.sh"

all=(docusaurus vitepress astro hugo jekyll mkdocs sphinx eleventy hexo next
	vue-router mdbook javadoc asciidoc)
declare -A fields=(
	# It is a part of Hugo's repository, for its makers' host name.
	[hugo]='"env": {"HUGO_BASEURL": "/", "HUGO_ENABLEGITINFO": "false"}'
)

# --- where they come from ---

# What a Debian package has below DIRECTORY, with what it links to in others.
from_deb() { # NAME DIRECTORY PACKAGE…
	local name=$1 dir=$2 work=$T/tmp/deb.$1
	shift 2
	mkdir -p "$work"
	(cd "$work" && apt-get -qq download "$@" &&
		for file in ./*.deb; do
			dpkg -x "$file" . || exit
		done) &&
		cp -rL "$work/$dir" "$sources/$name"
	[ -d "$sources/$name" ]
}

# The same of a source package.
from_source() { # NAME DIRECTORY PACKAGE
	local work=$T/tmp/source.$1
	mkdir -p "$work" "$sources/$1"
	(cd "$work" && apt-get -qq source --tar-only --download-only "$3" &&
		tar -xf ./*.orig.tar.*) &&
		cp -r "$work"/*/"$2"/. "$sources/$1"
}

# Forty pages that lead to each other by ".md": Fastify's manual, without its
# pictures, and with a list of all in front.
manual() { # DIRECTORY
	local page
	mkdir -p "$1"
	(cd "$T/tmp" && npm pack --silent fastify@5 >/dev/null &&
		tar -xzf fastify-*.tgz package/docs && rm fastify-*.tgz) &&
		cp -r "$T"/tmp/package/docs/{Guides,Reference} "$1" || return
	rm "$1"/*/Index.md
	perl -pi -e 's/!\[[^]]*\]\([^)]*\)//g' "$1"/*/*.md
	(cd "$1" && echo '# Manual' && for page in */*.md; do
		printf '\n- [%s](%s)' "${page%.md}" "$page"
	done) >"$1/index.md"
}

node_project() { # NAME COMMAND: with a manual in site/docs
	create "$1" npm "mkdir site; cd site; npm init -y; $2; cd .."
}

make_docusaurus() {
	create docusaurus npm 'npx --yes create-docusaurus@3 site classic --javascript --skip-install'
}

make_vitepress() {
	node_project vitepress 'npm install --package-lock-only vitepress@1' &&
		manual "$sources/vitepress/docs" &&
		mkdir "$sources/vitepress/docs/.vitepress" &&
		echo 'export default { title: "Manual", ignoreDeadLinks: true };' \
			>"$sources/vitepress/docs/.vitepress/config.mjs"
}

# Starlight wants each page's title in front of it.
titled() { # DIRECTORY
	find "$1" -name '*.md' -exec perl -0pi -e '
		my ($t) = /^#+\s*(.+)$/m; $t =~ s/[<][^>]*>|["\\`*]//g if $t;
		$_ = "---\ntitle: \"" . ($t || "Page") . "\"\n---\n" . $_' {} +
}

make_astro() {
	local docs=$sources/astro/src/content/docs
	node_project astro 'npm pkg set scripts.build="astro build"; npm install --package-lock-only astro@5 @astrojs/starlight@0.37' &&
		manual "$docs" && titled "$docs" &&
		cat >"$sources/astro/astro.config.mjs" <<-'END' &&
			import { defineConfig } from 'astro/config';
			import starlight from '@astrojs/starlight';
			export default defineConfig({
				integrations: [starlight({ title: 'Manual' })],
			});
		END
		cat >"$sources/astro/src/content.config.mjs" <<-'END'
			import { defineCollection } from 'astro:content';
			import { docsLoader } from '@astrojs/starlight/loaders';
			import { docsSchema } from '@astrojs/starlight/schema';
			export const collections = {
				docs: defineCollection({ loader: docsLoader(),
					schema: docsSchema() }),
			};
		END
}

make_hugo() {
	from_source hugo docs hugo
}

make_jekyll() {
	from_source jekyll . jekyll-theme-minima
}

make_mkdocs() {
	mkdir -p "$sources/mkdocs" && manual "$sources/mkdocs/docs" &&
		echo 'site_name: Manual' >"$sources/mkdocs/mkdocs.yml"
}

# The sources that Sphinx lays beside its pages, built again.
make_sphinx() {
	from_deb sphinx usr/share/doc/sphinx-doc/html/_sources sphinx-doc ||
		return
	find "$sources/sphinx" -name '*.rst.txt' |
		while read -r file; do
			mv "$file" "${file%.txt}"
		done
	cat >"$sources/sphinx/conf.py" <<-'END'
		project = 'Sphinx'
		extensions = ['sphinx.ext.autodoc', 'sphinx.ext.todo']
		def setup(app):
		    app.add_object_type('confval', 'confval')
		    app.add_object_type('event', 'event')
	END
}

make_eleventy() {
	node_project eleventy 'npm install --package-lock-only @11ty/eleventy@3' &&
		manual "$sources/eleventy/docs" &&
		titled "$sources/eleventy/docs" &&
		mkdir "$sources/eleventy/docs/_includes" &&
		echo '{"layout": "page.njk", "templateEngineOverride": "md"}' \
			>"$sources/eleventy/docs/docs.json" &&
		echo '<!doctype html><title>{{ title }}</title>{{ content | safe }}' \
			>"$sources/eleventy/docs/_includes/page.njk" &&
		cat >"$sources/eleventy/eleventy.config.mjs" <<-'END'
			import { InputPathToUrlTransformPlugin } from '@11ty/eleventy';
			export default (config) => {
				config.addPlugin(InputPathToUrlTransformPlugin);
				return { dir: { input: 'docs' } };
			};
		END
}

make_hexo() {
	local n
	create hexo npm 'npx --yes hexo-cli@4 init site --no-install' || return
	for n in one two three four five six seven eight nine ten eleven; do
		printf '%s\n' --- "title: Post $n" "date: 2026-01-02" \
			"tags: [a, $n]" "categories: [c]" --- \
			"About $n, and [the first](/)." \
			>"$sources/hexo/source/_posts/$n.md"
	done
}

# What create-next-app makes, and pages with links that its router takes.
make_next() {
	local page
	create next npm 'npx --yes create-next-app@15 site --js --no-eslint --no-tailwind --no-src-dir --app --skip-install --disable-git --yes' ||
		return
	echo "export default { output: 'export', images: { unoptimized: true } };" \
		>"$sources/next/next.config.mjs"
	echo 'export default ({ children }) => <html><body>{children}</body></html>;' \
		>"$sources/next/app/layout.js"
	for page in about docs docs/a docs/b; do
		mkdir -p "$sources/next/app/$page"
		cat >"$sources/next/app/$page/page.js" <<-END
			import Link from 'next/link';
			export default () => <main><h1>$page</h1>
				{['/', '/about', '/docs', '/docs/a', '/docs/b'].map(
				(to) => <Link key={to} href={to}>{to}</Link>)}</main>;
		END
	done
	cat >"$sources/next/app/page.js" <<-'END'
		import Link from 'next/link';
		import Image from 'next/image';
		export default () => <main><Image src="/next.svg" alt="Next"
			width={180} height={38} /><Link href="/about">about</Link>
			<Link href="/docs">docs</Link></main>;
	END
}

make_vue-router() {
	create vue-router npm 'npx --yes create-vue@3 site --ts --router --pinia'
}

make_mdbook() {
	from_deb mdbook usr/share/doc/rust-doc/html/book rust-doc \
		libjs-highlight.js libjs-mathjax fonts-font-awesome
}

make_javadoc() {
	from_deb javadoc usr/share/doc/libcommons-fileupload-java/api \
		libcommons-fileupload-java-doc
}

make_asciidoc() {
	from_deb asciidoc usr/share/doc/git/html git-doc
}

# --- the plain server ---

start_plain() {
	local module
	plain_port=$(free_port)
	mkdir "$T/plain" && own "$T/plain"
	{
		for module in mpm_event authz_core mime dir vhost_alias unixd; do
			[ ! -e "/usr/lib/apache2/modules/mod_$module.so" ] ||
				echo "LoadModule ${module}_module" \
					"/usr/lib/apache2/modules/mod_$module.so"
		done
		cat <<-END
			ServerRoot $T
			ServerName plain.test
			DefaultRuntimeDir $T/plain
			PidFile $T/plain/pid
			ErrorLog $T/log/plain
			Listen 127.0.0.1:$plain_port
			TypesConfig /etc/mime.types
			AddDefaultCharset utf-8
			DirectoryIndex index.html
			UseCanonicalName Off
			VirtualDocumentRoot $T/store/dist/%1
			<Directory $T/store>
				Require all granted
			</Directory>
		END
	} >"$T/plain.conf"
	start plain apache2 -f "$T/plain.conf" -DFOREGROUND
	must_start plain curl -s -o /dev/null --noproxy '*' \
		"http://127.0.0.1:$plain_port/"
}

# --- the table ---

declare -A id_of

made() { # NAME
	[ -d "$sources/$1" ] && return
	"make_$1" >"$T/log/make.$1" 2>&1 </dev/null && return
	rm -rf "${sources:?}/$1"
	not_ok "$1: made" "$(tail -n 15 "$T/log/make.$1" "$T/log/create.$1" 2>&1)"
	return 1
}

submit() { # NAME
	local url
	url=$(git_repo "$1" "$sources/$1") &&
		id_of[$1]=$(deploy "{\"url\": \"$url\"${fields[$1]:+, ${fields[$1]}}}")
}

is_deployed() { # NAME
	local id=${id_of[$1]:-}
	[ -n "$id" ] && [ "$(wait_final "$id" 900)" = deployed ] && return
	not_ok "$1: deployed" "$(api GET "/status/$id" | jq -c .error)" \
		"$(api GET "/log/$id" | tail -n 30)"
	return 1
}

as_json() { # NAME…
	local name
	for name; do
		jq -cn --arg name "$name" --arg id "${id_of[$name]}" '$ARGS.named'
	done | jq -cs --argjson davit "$PORT" --argjson plain "$plain_port" \
		--argjson pages "${CRAWL_PAGES:-60}" \
		'{port: {$davit, $plain}, $pages, sites: .}'
}

judge() { # RESULT, a JSON line
	local name framework
	name=$(jq -r .name <<<"$1")
	is "$(jq -c '.broken_here[:9]' <<<"$1")" '[]' \
		"$name: no link is broken on davit alone"
	is "$(jq -c '.errors_here[:9]' <<<"$1")" '[]' \
		"$name: no page complains on davit alone"
	is "$(jq -c '.differing[:9]' <<<"$1")" '[]' "$name: all pages look the same"
	is "$(jq '.pages > 1' <<<"$1")" true "$name: it has pages"
	framework=$(api GET "/status/${id_of[$name]}" |
		jq -r '.plan.framework // "static files"')
	jq -r --arg rule "$framework" '"| \(.name) | \($rule) | \(.pages) | " +
		"\(.links) | \(.errors.davit) / \(.errors.plain) | " +
		"\(.broken.davit) / \(.broken.plain) | " +
		"\(.broken_here | length) | \(.broken_there | length) |"' \
		<<<"$1" >>"$table"
	diag "$(jq -c '{name, errors_all, broken_there} |
		.errors_all |= .[:5] | .broken_there |= .[:5]' <<<"$1")"
}

need jq docker git curl apache2 redis-server npm node chromium dpkg
services_begin
need_npm
table=${CRAWL_TABLE:-$T/tmp/table}
sources=${CRAWL_SOURCES:-$T/tmp/sources}
shots=${CRAWL_SHOTS:-$T/tmp/shots}
mkdir -p "$sources" "$shots"
printf '%s\n' '| site | rule | pages | links | errors, davit / plain | broken links, davit / plain | davit alone | plain alone |' \
	'|---|---|---|---|---|---|---|---|' >"$table"
write_conf "image $image" 'builds 2' 'build_time 600' "cache $T/cache" \
	'source_bytes 200M' 'warm no'
start_redis
start_"${CRAWL_SERVER:-apache}"
start_plain
start_davitd

[ $# -gt 0 ] || set -- "${all[@]}"
for name; do
	made "$name" && submit "$name"
done
ready=()
for name; do
	[ -d "$sources/$name" ] && is_deployed "$name" && ready+=("$name")
done
while read -r result; do
	judge "$result"
done < <(as_json "${ready[@]}" | node "$(dirname "$0")/crawl.mjs" \
	"$(command -v chromium)" "$shots" 2>"$T/log/crawl")
rm -rf "$shots/profile"
diag "$(<"$table")"
done_testing
