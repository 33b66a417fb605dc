#!/bin/bash
# Projects of other people's making, fresh from the create-* packages of their
# frameworks: each is deployed through the whole system with no options, twice,
# and the output compared with that of the same commands run by hand in the
# same image.  Where that differs, it is run by hand once more: no more may
# differ from us than differs between those two.  A table of what came of each
# is printed, and left in CORPUS_TABLE.
#
#	make corpus [CORPUS="NAME…"] [CORPUS_TABLE=FILE] [CORPUS_SOURCES=DIR]
#
# CORPUS_SOURCES keeps the projects for another run.  CORPUS_QUICK makes and
# deploys them all at once, once, and compares nothing (t-corpus.sh).
# shellcheck disable=SC2154

# shellcheck source=tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=services.sh
. "$(dirname "$0")/services.sh"
# shellcheck source=projects.sh
. "$(dirname "$0")/projects.sh"

# NAME MANAGER RULE COMMAND: what makes the directory "site".  RULE is what has
# to be found out; "refused" for servers.
corpus() {
	local template
	while read -r name manager rule template; do
		printf '%s %s %s npx --yes create-vite@latest site --template %s\n' \
			"$name" "$manager" "$rule" "$template"
	done <<-'END'
		vite-vanilla npm vite vanilla
		vite-vanilla-ts pnpm vite vanilla-ts
		vite-vue npm vite vue
		vite-vue-ts pnpm vite vue-ts
		vite-react yarn vite react
		vite-react-ts npm vite react-ts
		vite-preact pnpm vite preact
		vite-preact-ts npm vite preact-ts
		vite-lit pnpm vite lit
		vite-lit-ts yarn vite lit-ts
		vite-svelte npm vite svelte
		vite-svelte-ts yarn vite svelte-ts
		vite-solid pnpm vite solid
		vite-solid-ts npm vite solid-ts
	END
	cat <<-'END'
		vue npm vite npx --yes create-vue@latest site --default
		astro npm astro mkdir -p site/src/pages && cd site && npm init -y && npm pkg set scripts.build='astro build' && npm install --package-lock-only astro && echo '<h1>hi</h1>' >src/pages/index.astro && cd ..
		docusaurus npm docusaurus npx --yes create-docusaurus@latest site classic --javascript --skip-install
		docusaurus-ts pnpm docusaurus npx --yes create-docusaurus@latest site classic --typescript --skip-install
		next-export npm next npx --yes create-next-app@latest site --js --no-eslint --no-tailwind --no-src-dir --app --skip-install --disable-git --yes && echo "export default { output: 'export' };" >site/next.config.mjs && echo 'export default ({ children }) => <html><body>{children}</body></html>;' >site/app/layout.js
		next-server npm refused npx --yes create-next-app@latest site --js --no-eslint --no-tailwind --no-src-dir --app --skip-install --disable-git --yes
		sveltekit-static npm sveltekit npx --yes sv@latest create site --template minimal --no-types --add sveltekit-adapter=adapter:static --no-install && echo 'export const prerender = true;' >site/src/routes/+layout.js
		sveltekit-server npm refused npx --yes sv@latest create site --template minimal --no-types --no-add-ons --no-install
		react-router npm refused npx --yes create-react-router@latest site --no-install --no-git-init --yes
		angular npm angular npx --yes @angular/cli@latest new site --defaults --skip-install --skip-git
		rsbuild-react npm rsbuild npx --yes create-rsbuild@latest --dir site --template react-ts
		rsbuild-vue pnpm rsbuild npx --yes create-rsbuild@latest --dir site --template vue-ts
		rsbuild-svelte yarn rsbuild npx --yes create-rsbuild@latest --dir site --template svelte-ts
		rsbuild-solid npm rsbuild npx --yes create-rsbuild@latest --dir site --template solid-ts
		vue-router pnpm vite npx --yes create-vue@latest site --ts --router --pinia
		next-export-ts pnpm next npx --yes create-next-app@latest site --ts --no-eslint --no-tailwind --src-dir --app --skip-install --disable-git --yes && echo "export default { output: 'export' };" >site/next.config.mjs && rm -f site/next.config.ts && printf '%s\n' 'import type { ReactNode } from "react";' 'export default ({ children }: { children: ReactNode }) => <html><body>{children}</body></html>;' >site/src/app/layout.tsx
		angular-routing npm angular npx --yes @angular/cli@latest new site --defaults --routing --style scss --skip-install --skip-git
		tanstack npm vite npx --yes create-tsrouter-app@latest site --framework react --no-install --no-git
		eleventy npm eleventy mkdir site && cd site && npm init -y && npm install --package-lock-only @11ty/eleventy && echo '# hi' >index.md && cd ..
		react-app npm create-react-app npx --yes create-react-app@latest site
		ember npm ember npx --yes ember-cli@latest new site --skip-npm --skip-git --lang en
		hexo npm hexo npx --yes hexo-cli@latest init site --no-install
		qwik-city npm refused npx --yes create-qwik@latest empty site
		vue-cli yarn vue-cli npx --yes @vue/cli@latest create site --default --skipGetStarted --no-git
		vitepress npm vitepress mkdir -p site/docs && cd site && npm init -y && npm install --package-lock-only vitepress && echo '# hi' >docs/index.md && cd ..
	END
}

# --- comparing ---

# What the plan in $T/tmp/status says, by hand: the output into DIRECTORY.
build_by_hand() { # SOURCE DIRECTORY
	local script
	script=$(jq -r '.plan | "set -e; exec 3>&1 >&2; mkdir src; cd src; tar -x",
		(.env[]? | "export " + (. | @sh)), (.install // "true"),
		(.build // "true"),
		"for d in " + (.outputs // [.output] | join(" ")) +
		"; do [ -f $d/index.html ] || continue; cd $d; tar -ch . >&3; exit; done; exit 1"' \
		"$T/tmp/status")
	rm -rf "$2"
	mkdir "$2"
	tar -C "$1" -c . | by_hand 600 "$script" 2>"$T/log/hand" |
		tar -x -C "$2"
}

# Lines "SUM  NAME", without the hashes that tools put into names: where a file
# differs, its sum tells.
nameless() {
	sed -E 's/[._-]?[0-9A-Za-z_-]{8,}(\.[a-z0-9.]+)$/H\1/
		s|/[0-9A-Za-z_-]{21}/|/H/|; s|^([0-9a-f]{64})  \./|\1  |' | sort
}

sums_of_ours() { # ID
	jq -r '.files | to_entries[] | "\(.value.sha256)  \(.key)"' \
		"$T/store/manifests/$1.json" | nameless
}

sums_by_hand() { # DIRECTORY
	(cd "$1" && find . -type f -not -path '*/.*/*' -not -name '.*' \
		-exec sha256sum {} +) | nameless
}

differing() { # SUMS SUMS: names
	comm -3 "$1" "$2" | sed -E 's/^\s*[0-9a-f]{64}  //' | sort -u
}

# "equal", or what differs.  A tool that puts a time or a random number into
# its output does so by hand as well.
compare() { # NAME ID
	local hand=$T/tmp/hand more
	build_by_hand "$sources/$1" "$hand" || {
		echo 'not built by hand'
		return
	}
	sums_by_hand "$hand" >"$T/tmp/sums"
	differing <(sums_of_ours "$2") "$T/tmp/sums" >"$T/tmp/differ"
	[ -s "$T/tmp/differ" ] || {
		echo equal
		return
	}
	build_by_hand "$sources/$1" "$hand"
	differing <(sums_by_hand "$hand") "$T/tmp/sums" >"$T/tmp/by-hand"
	more=$(comm -23 "$T/tmp/differ" "$T/tmp/by-hand" | head -n 3 | xargs)
	if [ -n "$more" ]; then
		echo "differs: $more"
	else
		echo "equal but for what differs by hand: $(wc -l \
			<"$T/tmp/differ") files, $(head -n 1 "$T/tmp/differ")"
	fi
}

# --- the table ---

field() { # JQ-EXPRESSION
	jq -r "$1" "$T/tmp/status"
}

seconds_of() { # from taking it to the end
	field '[.stages[] | select(.name != "fetch" and .name != "queue") |
		.started, .ended | select(. != null and . > 0)] |
		(max - min) / 1000 | . * 10 | round / 10'
}

row() { # COLUMN…
	printf '| %s ' "$@" >>"$table"
	echo '|' >>"$table"
}

refused() { # NAME MANAGER
	is "$(field '.state + " " + .error.code')" 'failed server_framework' \
		"$1: refused, since it needs a server"
	row "$1" "$(field '.error.code')" - "$2" - - - 'refused as it should be'
}

# Once more, with what the first has left; sets $warm.
again() { # NAME URL
	local id
	id=$(deploy "$2") || return
	is "$(wait_final "$id" 600)" deployed "$1: deployed again"
	api GET "/status/$id" >"$T/tmp/status"
	warm=$(seconds_of)
}

deployed() { # NAME MANAGER RULE ID URL
	local result='not compared' cold warm=- files plan
	is "$(field '.state + " " + .plan.framework + " " +
		.plan.package_manager')" "deployed $3 $2" "$1: deployed"
	[ "$(field .state)" = deployed ] || {
		row "$1" "$(field '.plan.framework // "-"')" - "$2" - - - \
			"$(field '.error.code // .state')"
		diag "$(field '.error')" "$(api GET "/log/$4" | tail -n 40)"
		return
	}
	plan=$(field '.plan | .framework + " | " + .node + " (" +
		.node_source + ") | " + .package_manager')
	cold=$(seconds_of)
	files=$(field .files)
	like "$(site "$4" /)" '<[a-zA-Z!]' "$1: its page is there"
	if [ -z "${CORPUS_QUICK:-}" ]; then
		result=$(compare "$1" "$4")
		like "$result" '^equal' "$1: as by hand"
		again "$1" "$5"
	fi
	row "$1" "$plan" "$cold" "$warm" "$files" "$result"
}

declare -A url_of id_of

submit() { # NAME
	url_of[$1]=$(git_repo "$1" "$sources/$1")
	id_of[$1]=$(deploy "${url_of[$1]}")
}

try() { # NAME MANAGER RULE COMMAND
	local id
	if ! create "$1" "$2" "$4"; then
		not_ok "$1: made" "$(tail -n 5 "$T/log/create.$1")"
		row "$1" - - "$2" - - - 'not made'
		return
	fi
	[ -n "${id_of[$1]:-}" ] || submit "$1" || {
		not_ok "$1: accepted"
		return
	}
	id=${id_of[$1]}
	wait_final "$id" 900 >/dev/null
	api GET "/status/$id" >"$T/tmp/status"
	if [ "$3" = refused ]; then
		refused "$1" "$2"
	else
		deployed "$1" "$2" "$3" "$id" "${url_of[$1]}"
	fi
}

need jq docker git curl apache2 redis-server
services_begin
need_npm
table=${CORPUS_TABLE:-$T/tmp/table}
sources=${CORPUS_SOURCES:-$T/tmp/sources}
mkdir -p "$sources"
printf '%s\n' '| project | rule | node | manager | cold, s | warm, s | files | output |' \
	'|---|---|---|---|---|---|---|---|' >"$table"
write_conf "image $image" "builds $((1 + ${CORPUS_QUICK:-0}))" 'build_time 600' "cache $T/cache" 'warm yes'
start_redis
start_apache
start_davitd

wanted() { # NAME…
	local name rest
	while read -r name rest; do
		[ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
		printf '%s %s\n' "$name" "$rest"
	done < <(corpus)
}

submit_if_made() { # NAME
	[ ! -e "$sources/$1/package.json" ] || submit "$1"
}

# One after the other each would wait for npm; all at once they wait for each
# other.  What is made is built while the next are being made.
all_at_once() {
	local name manager rule command making=() names=()
	while read -r name manager rule command; do
		create "$name" "$manager" "$command" </dev/null &
		making+=($!) names+=("$name")
		[ ${#making[@]} -ge 2 ] || continue
		wait "${making[0]}"
		submit_if_made "${names[0]}" </dev/null
		making=("${making[@]:1}") names=("${names[@]:1}")
	done
	for name in "${names[@]}"; do
		wait "${making[0]}"
		making=("${making[@]:1}")
		submit_if_made "$name" </dev/null
	done
}

[ -z "${CORPUS_QUICK:-}" ] || all_at_once < <(wanted "$@")
while read -r name manager rule command; do
	try "$name" "$manager" "$rule" "$command" </dev/null
done < <(wanted "$@")
diag "$(<"$table")"
done_testing
