#!/bin/bash
# From POST /get/url to its answer, for a repository of 2,000 files: with a
# store in a directory, beside a shallow clone, git archive and zstd into a
# file; with a store in S3 (OpenStack Swift), beside the same into rclone and
# s3cmd.  And once more where the commit is stored already.
# shellcheck disable=SC2016,SC2119,SC2329

# shellcheck source=bench.sh
. "$(dirname "$0")/bench.sh"
# shellcheck source=../tests/swift.sh
. "$top_srcdir/tests/swift.sh"

ours() {
	deploy "$(jq -cn --arg url "$url" '{url: $url, cache: false}')"
}

again() {
	deploy "$url"
}

archive() {
	rm -rf "$T/tmp/peer"
	HOME=$T/tmp git clone -q --bare --depth 1 --single-branch "$url" \
		"$T/tmp/peer" &&
		git -C "$T/tmp/peer" archive HEAD | zstd -q -1
}

to_file() {
	archive >"$T/tmp/peer.tar.zst" && sync "$T/tmp/peer.tar.zst"
}

to_rclone() {
	archive | rclone --config "$T/rclone.conf" --s3-no-check-bucket \
		rcat swift:submit/output/rclone
}

to_s3cmd() {
	archive | s3cmd -c "$T/s3cmd.conf" --no-progress --quiet \
		put - s3://submit/output/s3cmd
}

need zstd rclone s3cmd
services_begin
write_conf
start_redis
start_apache
mkdir "$T/tmp/site"
make_files "$T/tmp/site" 2000
url=$(git_repo site "$T/tmp/site")
interleave ours to_file
line 'submit, 2,000 files' "${medians[0]}" "${medians[1]}" ms \
	"$git_name, archive, zstd"
first=${medians[0]}
again >/dev/null
interleave again
line 'submit, the commit is stored' "${medians[0]}" "$first" ms \
	'the same, fetched'
stop_apache

start_swift
poll_until 30 swift_api PUT submit
s3_peers_conf
write_conf "store s3 $S3_URL/submit" "store_keys $T/s3.keys"
start_apache
interleave ours to_rclone to_s3cmd
line 'submit, 2,000 files, S3' "${medians[0]}" "${medians[1]}" ms \
	"$git_name, archive, zstd, $(rclone version | head -n 1)"
line 'submit, 2,000 files, S3' "${medians[0]}" "${medians[2]}" ms \
	"$git_name, archive, zstd, $(s3cmd --version | sed 's/ version//')"
