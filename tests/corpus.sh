#!/bin/bash
# Projects of other people's making, fresh from the create-* packages of their
# frameworks: each is deployed through the whole system with no options, and
# the output compared with that of the same commands run by hand in the same
# image.  A table of what came of each is printed, and left in CORPUS_TABLE.
#
#	make corpus [CORPUS="NAME…"] [CORPUS_TABLE=FILE]
# shellcheck disable=SC2154

# shellcheck source=tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=services.sh
. "$(dirname "$0")/services.sh"

ca=/etc/ssl/certs/ca-certificates.crt
image=davit/builder:22

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
		vite-qwik npm vite qwik
	END
	cat <<-'END'
		vue npm vite npx --yes create-vue@latest site --default
		astro npm astro mkdir -p site/src/pages && cd site && npm init -y && npm pkg set scripts.build='astro build' && npm install --package-lock-only astro && echo '<h1>hi</h1>' >src/pages/index.astro && cd ..
		docusaurus npm docusaurus npx --yes create-docusaurus@latest site classic --javascript --skip-install
		docusaurus-ts yarn docusaurus npx --yes create-docusaurus@latest site classic --typescript --skip-install
		next-export npm next npx --yes create-next-app@latest site --js --no-eslint --no-tailwind --no-src-dir --app --skip-install --disable-git --yes && echo "export default { output: 'export' };" >site/next.config.mjs && echo 'export default ({ children }) => <html><body>{children}</body></html>;' >site/app/layout.js
		next-server npm refused npx --yes create-next-app@latest site --js --no-eslint --no-tailwind --no-src-dir --app --skip-install --disable-git --yes
		sveltekit-static npm sveltekit npx --yes sv@latest create site --template minimal --no-types --add sveltekit-adapter=adapter:static --no-install && echo 'export const prerender = true;' >site/src/routes/+layout.js
		sveltekit-server npm refused npx --yes sv@latest create site --template minimal --no-types --no-add-ons --no-install
		react-router npm refused npx --yes create-react-router@latest site --no-install --no-git-init --yes
		angular npm angular npx --yes @angular/cli@latest new site --defaults --skip-install --skip-git
		rsbuild-react npm rsbuild npx --yes create-rsbuild@latest --dir site --template react
		rsbuild-vue pnpm rsbuild npx --yes create-rsbuild@latest --dir site --template vue
		rspress npm rspress npx --yes create-rspress@latest --dir site --template basic
		eleventy npm eleventy mkdir site && cd site && npm init -y && npm install --package-lock-only @11ty/eleventy && echo '# hi' >index.md && cd ..
		vitepress npm vitepress mkdir -p site/docs && cd site && npm init -y && npm install --package-lock-only vitepress && echo '# hi' >docs/index.md && cd ..
	END
}

# Run a script in the builder image, as builds do but by hand.
by_hand() { # SECONDS SCRIPT
	timeout "$1" docker run --rm -i --label davit.test="$worker" \
		-v "$ca:/ca.pem:ro" -e NODE_EXTRA_CA_CERTS=/ca.pem \
		-e npm_config_cafile=/ca.pem -e CI=true -e HOME=/tmp/home \
		-e npm_config_update_notifier=false -e NO_COLOR=1 \
		-e NEXT_TELEMETRY_DISABLED=1 -e ASTRO_TELEMETRY_DISABLED=1 \
		-e NG_CLI_ANALYTICS=false -e DO_NOT_TRACK=1 \
		-w /tmp "$image" sh -c "$2"
}

lock_of() { # MANAGER: the command that makes a lock file
	case $1 in
	npm) echo 'npm install --package-lock-only' ;;
	pnpm) echo 'pnpm install --lockfile-only' ;;
	yarn) echo 'yarn install --ignore-scripts' ;;
	esac
}

# Into $T/tmp/NAME.
create() { # NAME MANAGER COMMAND
	mkdir -p "$T/tmp/$1"
	by_hand 300 "set -e; exec 3>&1 >&2 </dev/null; $3
		cd site; rm -rf node_modules .git
		$(lock_of "$2"); rm -rf node_modules
		tar -c . >&3" 2>"$T/log/create.$1" | tar -x -C "$T/tmp/$1"
	[ -e "$T/tmp/$1/package.json" ]
}

# What the plan in $T/tmp/status says, by hand; the output into $T/tmp/hand.
build_by_hand() { # DIRECTORY
	local script
	script=$(jq -r '.plan | "set -e; exec 3>&1 >&2; mkdir w; cd w; tar -x",
		(.env[]? | "export " + (. | @sh)), (.install // "true"),
		(.build // "true"),
		"for d in " + (.outputs // [.output] | join(" ")) +
		"; do [ -f $d/index.html ] || continue; cd $d; tar -ch . >&3; exit; done; exit 1"' \
		"$T/tmp/status")
	rm -rf "$T/tmp/hand"
	mkdir "$T/tmp/hand"
	tar -C "$1" -c . | by_hand 600 "$script" 2>"$T/log/hand" |
		tar -x -C "$T/tmp/hand"
}

# What the hash in a name is does not matter where the files are as many.
names() {
	sed -E 's/[0-9A-Za-z_-]{8,}(\.[a-z0-9.]+)$/H\1/; s|/[0-9A-Za-z_-]{21}/|/H/|' |
		sort
}

# "equal"; "same names" where contents differ, as they do from one build to
# the next by hand; or how many names differ.
compare() { # ID
	local dist=$T/store/dist/$1 count
	jq -r '.files | keys[]' "$T/store/manifests/$1.json" | sort \
		>"$T/tmp/ours"
	(cd "$T/tmp/hand" && find . -type f -not -path '*/.*/*' -not -name '.*' |
		sed 's|^\./||' | sort) >"$T/tmp/theirs"
	if cmp -s "$T/tmp/ours" "$T/tmp/theirs" &&
		(cd "$T/tmp/hand" && while read -r file; do
			cmp -s "$file" "$dist/$file" || exit
		done <"$T/tmp/theirs"); then
		echo equal
	elif cmp -s <(names <"$T/tmp/ours") <(names <"$T/tmp/theirs"); then
		echo 'same names'
	else
		count=$(comm -3 <(names <"$T/tmp/ours") \
			<(names <"$T/tmp/theirs") | wc -l)
		echo "$count names differ"
	fi
}

seconds_of() { # from taking it to the end
	jq -r '[.stages[] | select(.name != "fetch" and .name != "queue") |
		.started, .ended | select(. != null and . > 0)] |
		(max - min) / 1000 | . * 10 | round / 10' "$T/tmp/status"
}

field() { # JQ-EXPRESSION
	jq -r "$1" "$T/tmp/status"
}

row() { # COLUMN…
	printf '| %s | %s | %s | %s | %s | %s | %s |\n' "$@" >>"$table"
}

refused() { # NAME MANAGER
	is "$(field '.state + " " + .error.code')" 'failed server_framework' \
		"$1: refused, since it needs a server"
	row "$1" "$(field '.error.code')" - "$2" - - 'refused as it should be'
}

deployed() { # NAME MANAGER RULE ID
	local result
	is "$(field '.state + " " + .plan.framework + " " +
		.plan.package_manager')" "deployed $3 $2" "$1: deployed"
	[ "$(field .state)" = deployed ] || {
		row "$1" "$(field '.plan.framework // "-"')" - "$2" - - \
			"$(field '.error.code // .state')"
		diag "$(field '.error')"
		return
	}
	result='not built by hand'
	build_by_hand "$T/tmp/$1" && result=$(compare "$4")
	like "$result" '^(equal|same names)$' "$1: as by hand"
	row "$1" "$(field .plan.framework)" \
		"$(field '.plan | .node + " (" + .node_source + ")"')" \
		"$(field .plan.package_manager)" "$(seconds_of)" \
		"$(field .files)" "$result"
}

try() { # NAME MANAGER RULE COMMAND
	local id
	if ! create "$1" "$2" "$4"; then
		not_ok "$1: made" "$(tail -n 5 "$T/log/create.$1")"
		row "$1" - - "$2" - - 'not made'
		return
	fi
	id=$(deploy "$(git_repo "$1" "$T/tmp/$1")") || {
		not_ok "$1: accepted"
		return
	}
	wait_final "$id" 900 >/dev/null
	api GET "/status/$id" >"$T/tmp/status"
	if [ "$3" = refused ]; then refused "$1" "$2"; else
		deployed "$1" "$2" "$3" "$id"
	fi
	rm -rf "${T:?}/tmp/$1" "$T/tmp/hand"
}

need jq docker git curl apache2 redis-server
services_begin
docker image inspect "$image" >/dev/null 2>&1 || skip_all "there is no $image"
by_hand 60 'npm view create-vite version' >/dev/null 2>&1 </dev/null ||
	skip_all 'npm reaches no registry'
table=${CORPUS_TABLE:-$T/tmp/table}
printf '%s\n' '| project | rule | node | manager | seconds | files | output |' \
	'|---|---|---|---|---|---|---|' >"$table"
write_conf "image $image" 'builds 1' 'build_time 600'
start_redis
start_apache
start_davitd
while read -r name manager rule command; do
	[ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
	try "$name" "$manager" "$rule" "$command" </dev/null
done < <(corpus)
diag "$(<"$table")"
done_testing
