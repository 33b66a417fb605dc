#!/bin/bash
# make install into a DESTDIR, over an edited davit.conf, and uninstall.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
: "${top_builddir:=$here/..}"

T=$(mktemp -d /tmp/davit.XXXXXX) || exit 1
trap 'rm -rf "$T"' EXIT
unset MAKEFLAGS MAKELEVEL MFLAGS DESTDIR

build() { # TARGET…
	make -s -C "$top_builddir" DESTDIR="$T" prefix=/usr sysconfdir=/etc \
		localstatedir=/var "$@"
}

installed() {
	(cd "$T" && find . -type f | sort)
}

runs 'make install' build install
conf=$T/etc/davit/davit.conf
for file in usr/sbin/davitd usr/libexec/davit/{submit,api,site}.fcgi \
	usr/libexec/davit/davit-{build,fetch} usr/share/davit/frameworks \
	usr/share/davit/image/build-image usr/share/davit/etc/davitd.service \
	usr/share/davit/apache/davit.conf usr/share/man/man8/davitd.8 \
	etc/davit/davit.conf; do
	runs "$file" test -s "$T/$file"
done
runs 'the sample is a configuration' \
	env DAVIT_LIBEXECDIR="$T/usr/libexec/davit" \
	DAVIT_PKGDATADIR="$T/usr/share/davit" "$top_builddir/worker/davitd" -n -c "$conf"
if grep -rqE '@[a-z]+@' "$T/etc" "$T/usr/share/davit/etc" \
	"$T/usr/share/davit/apache"; then
	not_ok 'no @name@ is left in a file' \
		"$(grep -rnE '@[a-z]+@' "$T/etc" "$T/usr/share/davit")"
else
	ok 'no @name@ is left in a file'
fi
echo 'domain example.org' >"$conf"
runs 'make install again' build install
is "$(cat "$conf")" 'domain example.org' 'leaves an edited davit.conf'
runs 'make uninstall' build uninstall
is "$(installed)" ./etc/davit/davit.conf 'leaves that file alone'
rm "$conf"
build install
build uninstall
is "$(installed)" '' 'an unedited one goes too'
done_testing
