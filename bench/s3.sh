#!/bin/bash
# The S3 store on OpenStack Swift: a site's 2,000 files of 8 KB, and one stream
# of 200 MB up and down; beside rclone and s3cmd, which get the same part size
# and at least as many connections.
# shellcheck disable=SC2016,SC2119,SC2329

# shellcheck source=bench.sh
. "$(dirname "$0")/bench.sh"
# shellcheck source=../tests/swift.sh
. "$top_srcdir/tests/swift.sh"

rounds=${BENCH_ROUNDS:-3}
probe=$top_builddir/tests/store_probe
count=2000 small=8192 large=$((200 * 1024 * 1024))
part=8 connections=16

files() {
	local i
	for ((i = 0; i < count; i++)); do
		mkdir -p "$T/small/$((i / 100))"
		head -c $small /dev/urandom >"$T/small/$((i / 100))/$i"
	done
	(cd "$T/small" && find . -type f -printf '%P\n') >"$T/list"
	head -c $large /dev/urandom >"$T/large"
}

# What the server's processes have taken, who share this machine's cores.
server_ms() {
	local name
	for name in memcached swift-{account,container,object,proxy}; do
		cat "/proc/${pid_of[$name]}/stat"
	done | awk -v hz="$(getconf CLK_TCK)" '{ n += $14 + $15 }
		END { print int(n * 1000 / hz) }'
}

davit() { # VERB KEY: its cost, and the server's, are in $T/cost-VERB
	local start rc=0
	start=$(server_ms)
	"$probe" "$T/davit.conf" "$@" 2>"$T/words" || rc=$?
	cat "$T/words" >&2
	printf '%s, of the server %d\n' "$(tail -n 1 "$T/words")" \
		$(($(server_ms) - start)) >"$T/cost-$1"
	return $rc
}

davit_small() {
	(cd "$T/small" && davit tree dist/davit/ <"$T/list")
}

davit_up() {
	davit put output/davit <"$T/large"
}

davit_down() {
	davit get output/davit >"$T/back"
}

rclone_() {
	rclone --config "$T/rclone.conf" \
		--s3-no-check-bucket --transfers 32 --checkers 32 "$@"
}

rclone_small() {
	rclone_ copy --no-check-dest "$T/small" swift:davit-bench/dist/rclone
}

rclone_up() {
	rclone_ copyto --no-check-dest "$T/large" swift:davit-bench/output/rclone
}

rclone_down() {
	rclone_ cat swift:davit-bench/output/rclone >"$T/back"
}

s3cmd_() {
	s3cmd -c "$T/s3cmd.conf" --no-progress --quiet --no-check-md5 "$@"
}

s3cmd_small() {
	s3cmd_ put --recursive "$T/small/" s3://davit-bench/dist/s3cmd/
}

s3cmd_up() {
	s3cmd_ put "$T/large" s3://davit-bench/output/s3cmd
}

s3cmd_down() {
	s3cmd_ get --force s3://davit-bench/output/s3cmd "$T/back"
}

compare() { # NAME WHAT
	interleave "davit_$2" "rclone_$2" "s3cmd_$2"
	line "$1" "${medians[0]}" "${medians[1]}" ms "$rclone_name"
	line "$1" "${medians[0]}" "${medians[2]}" ms "$s3cmd_name"
	[ "$2" != down ] || cmp "$T/large" "$T/back" >&2
}

for tool in rclone s3cmd; do
	command -v $tool >/dev/null ||
		say "no $tool: scripts/install-packages bench"
done
need rclone s3cmd
rclone_name="$(rclone version | head -n 1 | tr -d v)"
s3cmd_name="$(s3cmd --version | sed 's/ version//')"
services_begin
start_swift
poll_until 30 swift_api PUT davit-bench
write_conf "store s3 $S3_URL/davit-bench" "store_keys $T/s3.keys" \
	"s3_part ${part}M" "s3_connections $connections"
s3_peers_conf $part
files
compare 'S3: 2,000 files of 8 KB up' small
compare 'S3: 200 MB up' up
compare 'S3: 200 MB down' down
for verb in tree put get; do
	say "davit $verb: $(cat "$T/cost-$verb")"
done
