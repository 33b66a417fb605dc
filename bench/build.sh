#!/bin/bash
# Builds, and the same script in `docker run --rm` on the container's own file
# system, alternately, in the same image and with the same environment.  So
# neither npm audits, looks for a newer npm or tells of funding: davit's
# environment says so, and the image's npmrc besides.  Ours is from the job's arrival at davit-build to its
# word "deployed", publishing included; the container that davitd starts ahead
# is there, as it is in service.  And a site without a build step, from queued
# to deployed, through davitd.

set -uo pipefail
# shellcheck source=bench.sh
. "$(dirname "$0")/bench.sh"
need_docker
need jq zstd docker redis-server
services_begin
image=davit/builder:22
conf=('warm yes' "cache $T/cache" "image $image")
write_conf "${conf[@]}"
mkdir -p "$T/store/output" "$T/cache" "$T/tmp/trivial" "$T/tmp/static"
echo '{"scripts":{"build":"mkdir -p dist && echo hi >dist/index.html"}}' \
	>"$T/tmp/trivial/package.json"
make_files "$T/tmp/static" 199
echo hi >"$T/tmp/static/index.html"
own "$T/store" "$T/cache"
docker_name="docker run, $(docker version -f '{{.Server.Version}}')"

davit_build() {
	"${as_user[@]}" "$T/libexec/davit-build" -c "$T/davit.conf" "$@" 3>&-
}

n=0
source_of() { # DIRECTORY: sets $id
	n=$((n + 1))
	id=bench$(printf %05d "$n")
	tar -C "$1" --exclude=./node_modules --exclude=./dist -c . |
		zstd -q >"$T/store/output/$id.tar.zst"
	own "$T/store/output/$id.tar.zst"
}

# Sets $ms.  Without a descriptor 3, events go to standard error.
ours() { # SOURCE URL JOB-FIELDS
	local start line
	source_of "$1"
	davit_build --spare || exit 1
	start=${EPOCHREALTIME/./}
	ms=
	while read -r line; do
		case $line in
		*'"done":"deployed"'*)
			ms=$(((${EPOCHREALTIME/./} - start) / 1000))
			;;
		*'"done":'*) say "$line" ;;
		esac
	done < <(printf '{"id":"%s","state":"queued","attempt":1,"url":"%s"%s}' \
		"$id" "$2" "$3" | davit_build 2>&1 >/dev/null)
	[ -n "$ms" ] || exit 1
}

# What a build has, as worker/buildenv.c sets it, but for the id.
environment() {
	local name
	printf '%s\n' HOME=/work/home CI=true DAVIT=1 DO_NOT_TRACK=1 \
		NO_COLOR=1 NO_UPDATE_NOTIFIER=1 npm_config_audit=false \
		npm_config_fund=false npm_config_update_notifier=false \
		BROWSERSLIST_IGNORE_OLD_DATA=true
	for name in SSL_CERT_FILE NODE_EXTRA_CA_CERTS npm_config_cafile; do
		echo "$name=/ca.pem"
	done
}

peers() { # SOURCE SCRIPT: sets $ms
	local start=${EPOCHREALTIME/./}
	tar -C "$1" --exclude=./node_modules --exclude=./dist -c . |
		docker run --rm -i --label davit.worker="$worker" \
			--network davit-build --user 0 \
			--env-file "$T/tmp/environment" \
			-v /etc/ssl/certs/ca-certificates.crt:/ca.pem:ro \
			"$image" sh -c "mkdir /src && cd /src && tar -x &&
				{ $2; } >&2 && tar -c dist" \
			2>"$T/log/peer" >"$T/tmp/out.tar"
	ms=$(((${EPOCHREALTIME/./} - start) / 1000))
	tar -tf "$T/tmp/out.tar" dist/index.html >/dev/null || exit 1
}

compare() { # NAME SOURCE URL JOB-FIELDS SCRIPT
	local a=() b=() round
	for ((round = 0; round < rounds; round++)); do
		ours "$2" "${3//ROUND/$round}" "$4"
		a+=("$ms")
		peers "$2" "$5"
		b+=("$ms")
		say "$1: ${a[-1]} ms, peer ${b[-1]} ms"
	done
	line "$1" "$(median "${a[@]}")" "$(median "${b[@]}")" ms "$docker_name"
}

is_deployed() {
	[ "$(rcli hget "davit:deployment:$id" state)" = deployed ]
}

# As the record has it: from queued to the end of publishing.
static_files() {
	local all=() round
	for ((round = 0; round <= rounds; round++)); do
		source_of "$T/tmp/static"
		rcli hset "davit:deployment:$id" id "$id" state queued \
			attempt 1 created 1 url https://x.test/static \
			queue.started "$(date +%s%3N)" >/dev/null
		rcli lpush build-queue "$id" >/dev/null
		poll_until 30 is_deployed || exit 1
		[ "$round" -eq 0 ] || all+=($(($(rcli hget \
			"davit:deployment:$id" publish.ended) - $(rcli hget \
			"davit:deployment:$id" queue.started))))
	done
	line build-static-200 "$(median "${all[@]}")" - ms -
}

environment >"$T/tmp/environment"
vite=$top_srcdir/examples/vite
compare build-trivial "$T/tmp/trivial" https://x.test/trivial \
	',"install":""' 'npm run build'
compare build-vite-cold "$vite" https://x.test/cold-ROUND '' \
	'npm ci && npm run build'
ours "$vite" https://x.test/warm ''
compare build-vite-warm "$vite" https://x.test/warm '' \
	'npm ci && npm run build'
davit_build --no-spare
start_redis
start_davitd
static_files
