# projects.sh - projects of other people's making, from the create-* packages of
# their frameworks; to be sourced after services.sh and services_begin.
#
#	need_npm			skip all where there is none
#	by_hand SECONDS SCRIPT		in the builder image
#	create NAME MANAGER COMMAND	$sources/NAME

# shellcheck shell=bash disable=SC2154

ca=/etc/ssl/certs/ca-certificates.crt
image=davit/builder:22

need_npm() {
	docker image inspect "$image" >/dev/null 2>&1 ||
		skip_all "there is no $image"
	by_hand 60 'npm view create-vite version' >/dev/null 2>&1 </dev/null ||
		skip_all 'npm reaches no registry'
}

# Run a script in the builder image, where builds do but by hand.
by_hand() { # SECONDS SCRIPT
	timeout "$1" docker run --rm -i --label davit.worker="$worker" \
		-v "$ca:/ca.pem:ro" -e NODE_EXTRA_CA_CERTS=/ca.pem \
		-e npm_config_cafile=/ca.pem -e CI=true -e HOME=/work/home \
		-e npm_config_update_notifier=false -e NO_COLOR=1 \
		-e NEXT_TELEMETRY_DISABLED=1 -e ASTRO_TELEMETRY_DISABLED=1 \
		-e NG_CLI_ANALYTICS=false -e DO_NOT_TRACK=1 \
		--tmpfs /work:rw,exec,uid=1000,gid=1000 -w /work \
		"$image" sh -c "mkdir home; $2"
}

lock_of() { # MANAGER: the command that makes a lock file
	case $1 in
	npm) echo 'npm install --package-lock-only' ;;
	pnpm) echo 'pnpm install --lockfile-only' ;;
	yarn) echo 'yarn install --ignore-scripts' ;;
	esac
}

# Into $sources/NAME.
create() { # NAME MANAGER COMMAND
	[ ! -e "$sources/$1/package.json" ] || return 0
	rm -rf "${sources:?}/$1"
	mkdir -p "$sources/$1"
	by_hand 300 "set -e; exec 3>&1 >&2 </dev/null; $3
		cd site; rm -rf node_modules .git
		$(lock_of "$2"); rm -rf node_modules
		tar -c . >&3" 2>"$T/log/create.$1" | tar -x -C "$sources/$1"
	[ -e "$sources/$1/package.json" ]
}
