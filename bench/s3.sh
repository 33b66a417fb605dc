#!/bin/bash
# bench-store.sh [RUNS] - the S3 driver beside rclone and s3cmd on one Swift:
# 2,000 files of 8 KB, and one stream of 200 MB up and down.  Prints a table
# of medians.  Peers that are not installed are left out.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"
# shellcheck source=swift.sh
. "$here/swift.sh"

runs=${1:-3}
bench=${top_builddir:?}/tests/bench_store
count=2000 small=8192 large=$((200 * 1024 * 1024))
part=8M connections=16

prepare() {
	local i
	write_conf "store s3 $S3_URL/davit-bench" "store_keys $T/s3.keys" \
		"s3_part $part" "s3_connections $connections"
	mkdir "$T/small"
	for ((i = 0; i < count; i++)); do
		mkdir -p "$T/small/$((i / 100))"
		head -c $small /dev/zero >"$T/small/$((i / 100))/$i"
	done
	head -c $large /dev/zero >"$T/large"
	cat >"$T/rclone.conf" <<-END
		[swift]
		type = s3
		provider = Other
		access_key_id = test:tester
		secret_access_key = testing
		region = us-east-1
		endpoint = $S3_URL
		force_path_style = true
		upload_concurrency = 4
		chunk_size = $part
	END
	cat >"$T/s3cmd.conf" <<-END
		[default]
		access_key = test:tester
		secret_key = testing
		host_base = ${S3_URL#http://}
		host_bucket = ${S3_URL#http://}
		use_https = False
		multipart_chunk_size_mb = ${part%M}
	END
	# the suite makes its bucket before its first test
	DAVIT_TEST_STORE=$T/davit.conf DAVIT_TEST_ONLY='bad_conf*' \
		"$top_builddir/tests/test_store" >"$T/log/bucket" 2>&1
}

rclone_() {
	env -u AWS_CA_BUNDLE rclone --config "$T/rclone.conf" --s3-no-check-bucket --transfers 32 \
		--checkers 32 "$@"
}

s3cmd_() {
	s3cmd -c "$T/s3cmd.conf" --no-progress --quiet --no-check-md5 "$@"
}

davit() { # ARGUMENT…
	"$bench" "$T/davit.conf" "$@" >"$T/words"
}

# Wall time, and the largest resident set of all that ran.
timed() { # WHO WHAT COMMAND…
	local who=$1 what=$2 start ms
	shift 2
	start=${EPOCHREALTIME/./}
	"$@" >/dev/null 2>"$T/log/$who" || {
		printf '%s %s failed: %s\n' "$who" "$what" \
			"$(tail -n 1 "$T/log/$who")" >&2
		exit 1
	}
	ms=$(((${EPOCHREALTIME/./} - start) / 1000))
	printf '%s %s %d %s\n' "$who" "$what" "$ms" \
		"$([ "$who" != davit ] ||
			sed 's/.*cpu_ms \([0-9]*\) rss_kib \([0-9]*\)/\1 \2/' \
				"$T/words")" >>"$T/results"
}

one_run() {
	timed davit small davit small $count $small
	davit clean
	timed davit put davit large $large
	timed davit get davit read
	if command -v rclone >/dev/null; then
		timed rclone small rclone_ copy --no-check-dest \
			"$T/small" swift:davit-bench/dist/bench
		davit clean
		timed rclone put rclone_ copyto --no-check-dest "$T/large" \
			swift:davit-bench/output/bench
		timed rclone get rclone_ cat swift:davit-bench/output/bench
	fi
	if command -v s3cmd >/dev/null; then
		timed s3cmd small s3cmd_ put --recursive "$T/small/" \
			s3://davit-bench/dist/bench/
		davit clean
		timed s3cmd put s3cmd_ put "$T/large" s3://davit-bench/output/bench
		timed s3cmd get s3cmd_ get --force \
			s3://davit-bench/output/bench "$T/back"
	fi
}

table() {
	local who what
	printf '%-8s %14s %14s %14s\n' client files/s 'up MB/s' 'down MB/s'
	for who in davit rclone s3cmd; do
		grep -q "^$who " "$T/results" || continue
		printf '%-8s' $who
		for what in small put get; do
			awk -v who=$who -v what=$what '
				$1 == who && $2 == what { print $3 }' "$T/results" |
				sort -n | awk -v n="$([ $what = small ] &&
					echo $count || echo $((large / 1000000)))" '
				{ ms[NR] = $1 }
				END { printf " %14.0f", n * 1000 / ms[int((NR + 1) / 2)] }'
		done
		echo
	done
	awk '$1 == "davit" { if ($4 > cpu[$2]) cpu[$2] = $4
			if ($5 > rss[$2]) rss[$2] = $5 }
		END { for (what in cpu) printf \
			"davit %s: at most %d ms of CPU, %.0f MiB resident\n",
			what, cpu[what], rss[what] / 1024 }' "$T/results"
}

services_begin
start_swift
prepare
for ((run = 0; run < runs; run++)); do
	one_run
done
table
