#!/bin/bash
# bench/build.sh - builds by davit and the same script in `docker run --rm`, on
# the container's own file system.  A line each:
#
#	name <tab> ours, ms <tab> peer's, ms <tab> the peer and its version
#
# Both run alternately, ROUNDS times (3); the median counts.  Ours is from the
# job's arrival at davit-build to its word "deployed", publishing included;
# davitd's container ahead is there, as it is in service.  In the build tree,
# or with top_builddir; wants a Docker engine and the builder image.

set -euo pipefail
source_dir=$(cd "$(dirname "$0")/.." && pwd)
build_dir=${top_builddir:-$PWD}
socket=${DAVIT_DOCKER_SOCKET:-/var/run/docker.sock}
rounds=${ROUNDS:-3}
image=davit/builder:22
dir=$(mktemp -d /var/tmp/davit-bench.XXXXXX)
export DAVIT_PKGDATADIR=$source_dir/worker DAVIT_CONF=$dir/davit.conf
davit_build=$build_dir/worker/davit-build

leave() {
	"$davit_build" --no-spare 2>/dev/null || :
	rm -rf "$dir"
}
trap leave EXIT
trap 'exit 1' INT TERM HUP

mkdir -p "$dir/store/output" "$dir/trivial"
cat >"$dir/davit.conf" <<-END
	domain bench.test
	store dir $dir/store
	scratch $dir
	cache $dir/cache
	docker unix:$socket
	worker bench-$$
	build_ca /etc/ssl/certs/ca-certificates.crt
END
echo '{"scripts":{"build":"mkdir -p dist && echo hi >dist/index.html"}}' \
	>"$dir/trivial/package.json"
peer="docker run, $(docker version -f '{{.Server.Version}}')"

now_ms() {
	printf '%s' $((${EPOCHREALTIME/./} / 1000))
}

median() { # NUMBER…
	printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

n=0
ours() { # SOURCE URL JOB-FIELDS: sets $took
	local began line
	n=$((n + 1))
	id=bench$(printf %05d "$n")
	tar -C "$1" --exclude=./node_modules --exclude=./dist -c . |
		zstd -q >"$dir/store/output/$id.tar.zst"
	"$davit_build" --spare
	began=$(now_ms)
	took=
	while read -r line; do
		case $line in
		*'"done":"deployed"'*) took=$(($(now_ms) - began)) ;;
		*'"done":'*) echo "$line" >&2 ;;
		esac
	done < <(printf '{"id":"%s","state":"queued","attempt":1,"url":"%s"%s}' \
		"$id" "$2" "$3" | "$davit_build" 2>&1 >/dev/null)
	[ -n "$took" ]
}

peers() { # SOURCE SCRIPT: sets $took
	local began
	began=$(now_ms)
	tar -C "$1" --exclude=./node_modules --exclude=./dist -c . |
		docker run --rm -i --network davit-build --user 0 \
			-e npm_config_cafile=/ca.pem -e CI=true \
			-e NODE_EXTRA_CA_CERTS=/ca.pem \
			-v /etc/ssl/certs/ca-certificates.crt:/ca.pem:ro \
			"$image" sh -c "mkdir /src && cd /src && tar -x &&
				{ $2; } >&2 && tar -c dist" 2>/dev/null \
			>"$dir/out.tar"
	took=$(($(now_ms) - began))
	tar -tf "$dir/out.tar" dist/index.html >/dev/null
}

compare() { # NAME SOURCE URL JOB-FIELDS SCRIPT
	local a=() b=() round url
	for ((round = 0; round < rounds; round++)); do
		url=${3//ROUND/$round}
		ours "$2" "$url" "$4"
		a+=("$took")
		peers "$2" "$5"
		b+=("$took")
	done
	printf '%s\t%s\t%s\t%s\n' "$1" "$(median "${a[@]}")" \
		"$(median "${b[@]}")" "$peer"
}

vite=$source_dir/examples/vite
compare build-trivial "$dir/trivial" https://x.test/trivial \
	',"install":""' 'npm run build'
compare build-vite-cold "$vite" https://x.test/cold-ROUND '' \
	'npm ci && npm run build'
ours "$vite" https://x.test/warm ''
compare build-vite-warm "$vite" https://x.test/warm '' \
	'npm ci && npm run build'
