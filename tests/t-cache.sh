#!/bin/bash
# What builds keep for later ones of the same repository, and for nobody else.

# shellcheck source=tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=services.sh
. "$(dirname "$0")/services.sh"
need_docker
need jq zstd
services_begin
cache=$T/cache
limits=('build_time 60' 'build_memory 512M' 'build_disk 64M' "cache $cache")
write_conf "${limits[@]}"

# A project whose install makes a package that no other install makes, and
# whose build shows it, and counts in a framework's cache.
project=$T/tmp/p
mkdir "$project"
echo '{"scripts":{"build":"sh build.sh"}}' >"$project/package.json"
echo '{"lockfileVersion":3}' >"$project/package-lock.json"
cat >"$project/build.sh" <<'END'
mkdir -p out node_modules/.cache
echo x >>node_modules/.cache/count
wc -l <node_modules/.cache/count >out/count
cp node_modules/x/stamp out/index.html
END
install='mkdir -p node_modules/x; date +%s%N >node_modules/x/stamp'

n=0
build() { # [JSON FIELDS]: sets $stamp, $count, $log
	local job
	n=$((n + 1))
	id=tcache$(printf %04d "$n")
	mkdir -p "$T/store/output"
	tar -C "$project" -c . | zstd -q >"$T/store/output/$id.tar.zst"
	own "$T/store"
	job=$(jq -cn --arg id "$id" --arg install "$install" \
		'{id: $id, state: "queued", attempt: 1, output: "out",
		  url: "https://git.example.org/a", install: $install}')
	jq -c ". + {${1:-}}" <<<"$job" |
		"${as_user[@]}" "$T/libexec/davit-build" -c "$T/davit.conf" \
			>"$T/tmp/log" 2>>"$T/log/davit-build"
	log=$(<"$T/tmp/log")
	stamp=$(cat "$T/store/dist/$id/index.html" 2>/dev/null)
	count=$(cat "$T/store/dist/$id/count" 2>/dev/null)
}

kept() { # KIND: how many
	find "$cache" -name "*-$1-*" | wc -l
}

own "$T"
build
first=$stamp
like "$first" '^[0-9]+$' 'the first build installs'
is "$(kept modules) $(kept caches)" '1 1' 'and keeps what it has'
is "$(stat -c '%a %U' "$cache")" "700 $(stat -c %U "$T/store")" \
	'for nobody else to read'
build
is "$stamp" "$first" 'the same lock file: nothing is installed again'
like "$log" 'nothing to install' 'the log says so'
is "$count" 2 'a framework finds its cache'
build '"url":"https://git.example.org/b"'
unlike "$stamp" "^($first)?\$" 'another repository has no part in it'
is "$count" 1 'nor in the caches'
build '"owner":"eve"'
unlike "$stamp" "^($first)?\$" 'nor has another owner'
build '"cache":false'
unlike "$stamp" "^($first)?\$" '"cache": false leaves it alone'
build '"env":{"NODE_ENV":"production"}'
unlike "$stamp" "^($first)?\$" 'another environment: installed anew'
echo '{"lockfileVersion":2}' >"$project/package-lock.json"
build
unlike "$stamp" "^($first)?\$" 'another lock file: installed anew'
second=$stamp

for file in "$cache"/*-modules-*; do
	truncate -s 700 "$file"
done
build
unlike "$stamp" "^($second)?\$" 'a damaged archive: installed anew'
third=$stamp
build
is "$stamp" "$third" 'and kept once more'

before=$(kept modules)
echo '{"lockfileVersion":1}' >"$project/package-lock.json"
build '"build":"exit 3"'
is "$(kept modules)" "$before" 'a build that fails leaves nothing'
echo '{"scripts":{"build":"sh build.sh","postinstall":"true"}}' \
	>"$project/package.json"
build
is "$(kept modules)" "$before" \
	'nor are packages kept that scripts of the project have a part in'
echo '{"scripts":{"build":"sh build.sh"}}' >"$project/package.json"
rm "$project/package-lock.json"
build
is "$(kept modules)" "$before" 'nor those that no lock file names'

# --- bounds ---

rm "$cache"/*
echo '{"lockfileVersion":3}' >"$project/package-lock.json"
write_conf "${limits[@]}" 'cache_bytes 1M' 'cache_days 7'
head -c 400000 /dev/zero >"$cache/a-store-all.tar"
head -c 500000 /dev/zero >"$cache/b-store-all.tar"
head -c 400000 /dev/zero >"$cache/c-store-all.tar"
: >"$cache/d-store-all.tar"
touch -d '2 days ago' "$cache/a-store-all.tar"
touch -d '3 days ago' "$cache/b-store-all.tar"
touch -d '1 day ago' "$cache/c-store-all.tar"
touch -d '8 days ago' "$cache/d-store-all.tar"
own "$cache"
build
is "$(cd "$cache" && echo ?-store-all.tar)" \
	'a-store-all.tar c-store-all.tar' \
	'what is too old goes, and then what was used least lately'
is "$(kept modules)" 1 'the new one stays'
install='mkdir -p node_modules/x; date +%s%N >node_modules/x/stamp;
	head -c 300000 /dev/zero >node_modules/x/big'
install=${install//$'\n\t'/ }
build
like "$stamp" '^[0-9]+$' 'packages of more than a quarter of the bound'
is "$(kept modules)" 1 'are not kept'

write_conf "${limits[@]}" 'cache /nowhere/at/all'
build
like "$stamp" '^[0-9]+$' 'a cache that cannot be made stops no build'
is "$(containers)" '' 'no container is left'

done_testing
