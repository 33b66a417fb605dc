#!/bin/bash
# davit-build --plan, and its other options that need no engine.
# shellcheck disable=SC2154

# shellcheck source=tap.sh
. "$(dirname "$0")/tap.sh"

T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
need jq
program=$top_builddir/worker/davit-build
export DAVIT_PKGDATADIR=$top_srcdir/worker

plan() {
	words=$("$program" --plan "$1" 2>&1)
	rc=$?
}

mkdir -p "$T/vite/src" "$T/static/public" "$T/next" "$T/none" "$T/loop"
echo '{"dependencies":{"vite":"5"},"engines":{"node":"20.x"}}' \
	>"$T/vite/package.json"
echo 'export default { build: { outDir: "www" } }' >"$T/vite/vite.config.ts"
touch "$T/vite/pnpm-lock.yaml" "$T/static/public/index.html"
echo '{"dependencies":{"next":"14"}}' >"$T/next/package.json"
ln -s . "$T/loop/loop"
ln -s /etc/passwd "$T/loop/package.json"

plan "$T/vite"
is $rc 0 'vite: a plan'
like "$words" 'framework +Vite \(vite\)' 'vite: its name'
like "$words" 'rule +package.json depends on vite' 'vite: the rule'
like "$words" 'node +20, from engines' 'vite: the version of Node'
like "$words" 'install +pnpm install --frozen-lockfile' 'vite: installing'
like "$words" 'build +pnpm exec vite build' 'vite: building'
like "$words" 'output +www, else dist' 'vite: its own output first'
like "$words" 'spa +yes' 'vite: one page'

mkdir "$T/etc"
printf 'framework %s\n\twhen dep vite\n\trank bundler\n\toutput own\n' ours \
	>"$T/etc/frameworks"
export DAVIT_SYSCONFDIR=$T/etc
plan "$T/vite"
like "$words" 'framework +ours.*output +own' "the operator's framework wins"
echo 'rank no' >"$T/etc/frameworks"
plan "$T/vite"
like "$rc $words" '1 .*etc/frameworks:1: rank: it belongs to no framework' \
	'and a mistake in it is told'
rm "$T/etc/frameworks"

plan "$T/static"
is $rc 0 'static: a plan'
like "$words" 'output +public' 'static: where'

plan "$T/next"
is $rc 1 'a server: no plan'
like "$words" "Set output: 'export'" 'a server: what to do'

plan "$T/none"
like "$rc $words" '1 .*neither a package.json nor an index.html' 'nothing'
plan "$T/loop"
like "$rc $words" '1 .*neither a package.json' 'links are not followed'
plan "$T/no-such"
like "$rc $words" '1 .*No such file' 'no directory'

# --- what the repository says itself ---

mkdir -p "$T/mono/apps/web" "$T/mono/docs"
echo '{"workspaces":["apps/*"]}' >"$T/mono/package.json"
echo '{"dir":"apps/web","node":"lts/*"}' >"$T/mono/davit.json"
echo '{"scripts":{"build":"vite build"},"dependencies":{"vite":"5"}}' |
	tee "$T/mono/apps/web/package.json" >"$T/mono/docs/package.json"
touch "$T/mono/package-lock.json"
plan "$T/mono"
is $rc 0 'a monorepo: a plan'
like "$words" 'dir +apps/web' 'a monorepo: the directory that davit.json names'
like "$words" 'install +npm ci --prefix ../\.\.' \
	'a monorepo: installed at the root'
like "$words" 'node +22, from davit.json, which leaves it open' \
	'a monorepo: what it says of Node'

# --- for programs ---

tell() { # OPTION…: standard input is a tar of the monorepo
	words=$(tar -C "$T/mono" -cz . | "$program" --plan - --json "$@")
	rc=$?
}

tell
is "$rc $(jq -r '.dir, .install, .matched[0]' <<<"$words" | xargs)" \
	'0 apps/web npm ci --prefix ../.. vite' 'a tar through a pipe'
echo '{"url":"https://x.test/r","dir":"docs","output":"o"}' >"$T/request"
tell --request "$T/request"
is "$rc $(jq -r '.dir, .install, .output' <<<"$words" | xargs)" \
	'0 docs npm install o' 'what a request asks for'
echo '{"url":"https://x.test/r","output":1}' >"$T/request"
tell --request "$T/request"
is "$rc $(jq -r .error <<<"$words")" '1 bad_request' 'a bad request'
words=$("$program" --plan - --json <"$program")
is "$? $(jq -r .error <<<"$words")" '1 bad_request' 'no tar'
words=$("$program" --plan "$T/next" --json)
is "$? $(jq -r .error <<<"$words")" '1 server_framework' 'an error is JSON too'

# --- --check ---

mkdir -p "$T/site/docs"
touch "$T/site/index.html" "$T/site/docs/index.html"
ln -s /etc/passwd "$T/site/link.html"
check() {
	words=$("$program" --check "$1" 2>&1)
	rc=$?
}
check "$T/site"
is "$rc $words" '0 0 rules; 0 lines are wrong' 'check: there are none'
printf '/docs /docs/ 302\n/a /b\n/link /link\n/* /index.html 301\n/x https://y 200\n' \
	>"$T/site/_redirects"
printf '/*\n  X-Frame-Options: DENY\n  Status: 1\n' >"$T/site/_headers"
check "$T/site"
is "$rc" 1 'check: some are wrong'
is "$(grep -o '^[_a-z]*:[0-9]*' <<<"$words" | xargs)" \
	'_redirects:5 _redirects:3 _headers:3' 'check: which ones'
like "$words" '4 rules; 3 lines are wrong$' 'check: how many'
mkfifo "$T/fifo" && ln -sf "$T/fifo" "$T/site/_redirects"
check "$T/site"
like "$rc $words" '^1 .*_redirects' 'check: a link is no file of the site'
check "$T/no-such"
like "$rc $words" '^1 .*No such file' 'check: no directory'

# --- options ---

like "$("$program" --version)" '^davit-build [0-9]' '--version'
like "$("$program" --help)" '^usage: davit-build' '--help'
"$program" --no-such 2>/dev/null
is $? 64 'an unknown option'
"$program" extra 2>/dev/null
is $? 64 'an argument too many'
echo 'build_time 0' >"$T/bad.conf"
like "$("$program" -c "$T/bad.conf" </dev/null 2>&1)" \
	'bad.conf:1: build_time' 'a bad configuration is told by its line'
: >"$T/empty.conf"
like "$("$program" -c "$T/empty.conf" </dev/null 2>&1)" \
	'the job on standard input' 'no job'
is "$("$program" -c "$T/empty.conf" --clean 'a;b' 2>&1; echo $?)" \
	$'davit-build: a;b is no id\n64' '--clean: no id'

done_testing
