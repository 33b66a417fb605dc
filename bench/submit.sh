#!/bin/bash
# From POST /get/url to its answer, for a repository of 2,000 files and a store
# in a directory; beside a shallow clone, git archive and zstd into a file.
# shellcheck disable=SC2016,SC2119

# shellcheck source=bench.sh
. "$(dirname "$0")/bench.sh"

ours() {
	deploy "$url"
}

peer() {
	rm -rf "$T/tmp/peer"
	HOME=$T/tmp git clone -q --bare --depth 1 --single-branch "$url" \
		"$T/tmp/peer" &&
		git -C "$T/tmp/peer" archive HEAD |
		zstd -q -1 >"$T/tmp/peer.tar.zst" &&
		sync "$T/tmp/peer.tar.zst"
}

need zstd
services_begin
write_conf
start_redis
start_apache
mkdir "$T/tmp/site"
make_files "$T/tmp/site" 2000
url=$(git_repo site "$T/tmp/site")
interleave ours peer
line 'submit, 2,000 files' "${medians[0]}" "${medians[1]}" ms \
	"$git_name, archive, zstd"
