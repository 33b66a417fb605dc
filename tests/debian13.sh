#!/bin/bash
# debian13.sh - build this tree on Debian 13, in a chroot made for it, and run
# the tests that need no service.  As root; minutes; "make debian13".
#
# KEEP=1 leaves the chroot and says where it is.

set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
suite=trixie
root=$(mktemp -d /var/tmp/davit-$suite.XXXXXX)
extra=(libcmocka-dev media-types perl git jq mandoc redis-server)

leave() {
	if [ -n "${KEEP:-}" ]; then
		echo "debian13: kept: $root"
	else
		rm -rf --one-file-system "$root"
	fi
}

say() {
	printf 'debian13: %s\n' "$*"
}

# Where and how the machine's own apt gets Debian.
mirror() {
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
		'Component: main' 'Label: Debian' | head -n 1
}

apt_options() {
	apt-config dump |
		grep -E '^Acquire::(https?|Check-|Retries|ForceIPv)' || :
}

packages() {
	awk '$1 == "build" { print $2 }' "$top/scripts/packages"
	printf '%s\n' "${extra[@]}"
}

make_root() {
	apt_options >"$root.options"
	mmdebstrap --quiet --mode=root --variant=apt \
		--aptopt="$root.options" \
		--include="$(packages | paste -sd ,)" "$suite" "$root" \
		"deb $(mirror) $suite main"
	rm "$root.options"
}

copy_tree() {
	mkdir "$root/src"
	git -C "$top" ls-files -z --cached --others --exclude-standard |
		tar -C "$top" --null -T - -cf - | tar -C "$root/src" -xf -
}

# In name spaces of their own: the mounts and what still runs go with them.
in_root() { # COMMAND…
	# shellcheck disable=SC2016
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
		unshare --mount --pid --fork --kill-child sh -euc '
		mount -t proc proc "$0/proc"
		mount --rbind /dev "$0/dev"
		exec chroot "$0" "$@"' "$root" "$@"
}

trap leave EXIT
say "making $suite in $root"
make_root
copy_tree
say 'building with all warnings and sanitizers'
# make's own variable: the unit tests.
# shellcheck disable=SC2016
in_root sh -euc '
	cd /src
	for p in libgit2 hiredis json-c libarchive libcurl libcrypto cmocka; do
		printf "%s %s\n" "$p" "$(pkg-config --modversion "$p")"
	done
	gcc --version | head -n 1
	./autogen.sh >/dev/null 2>&1
	mkdir build && cd build
	../configure --quiet --enable-werror --enable-sanitizers
	make -s -j "$(nproc)"
	make -s -k -j 2 check TESTS="\$(UNIT_TESTS) tests/t-fuzz.sh \
		tests/t-install.sh tests/t-layers.sh tests/t-man.sh" |
		grep -E "^(FAIL|ERROR|# (TOTAL|PASS|FAIL|ERROR|SKIP))"
	'
say 'done'
