#!/bin/bash
# The container that davitd has started ahead, and an engine that hangs.
# shellcheck disable=SC2016,SC2119

# shellcheck source=tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=services.sh
. "$(dirname "$0")/services.sh"
need_docker
need jq zstd perl redis-server
services_begin
limits=('build_time 60' 'build_memory 512M' 'build_disk 64M')
write_conf "${limits[@]}" 'warm yes'

n=0
submit() { # BUILD: sets $id
	n=$((n + 1))
	id=twarm$(printf %05d "$n")
	mkdir -p "$T/tmp/p" "$T/store/output"
	echo '{}' >"$T/tmp/p/package.json"
	tar -C "$T/tmp/p" -c . | zstd -q >"$T/store/output/$id.tar.zst"
	own "$T/store"
	rcli hset "davit:deployment:$id" id "$id" state queued attempt 1 \
		created 1 url https://git.example.org/a install '' \
		build "$1" output out >/dev/null
	rcli lpush build-queue "$id" >/dev/null
}

is_deployed() {
	[ "$(rcli hget "davit:deployment:$id" state)" = deployed ]
}

names() { # of this worker's containers, each with its start
	local c
	for c in $(containers); do
		docker_api GET "/containers/$c/json" |
			jq -r 'select(.State.Running) |
				"\(.Name) \(.Id[:12])"'
	done
}

spare_waits() {
	spare=$(names | sed -n 's|^/davit-spare-[0-9a-f]* ||p')
	[ -n "$spare" ]
}

start_redis
start_davitd
poll_until 20 spare_waits
like "$(names)" '^/davit-spare-[0-9a-f]{16} [0-9a-f]{12}$' \
	'davitd starts one container ahead'
first=$spare
submit 'hostname; mkdir out; echo hi >out/index.html'
poll_until 30 is_deployed || not_ok 'a build is deployed'
log=$(rcli get "davit:log:$id"; cat "$T/store/logs/$id.txt" 2>/dev/null)
like "$log" "$first" 'a build has it'
began=$(rcli hget "davit:deployment:$id" prepare.started)
ended=$(rcli hget "davit:deployment:$id" build.started)
diag "the script ran $((ended - began)) ms after the id was taken"
poll_until 20 spare_waits
unlike "$spare" "^($first)?\$" 'the next build has another one'
stop_davitd
is "$(containers)" '' 'a davitd that stops leaves none'

# What was made by another configuration is not for this one.
build() {
	"${as_user[@]}" "$T/libexec/davit-build" -c "$T/davit.conf" "$@" \
		2>>"$T/log/davit-build"
}
runs '--spare starts one' build --spare
spare_waits
first=$spare
runs '--spare once more' build --spare
spare_waits
is "$spare" "$first" 'there is one already'
write_conf "${limits[@]}" 'warm yes' 'build_pids 99'
runs '--spare with another bound' build --spare
poll_until 5 spare_waits
unlike "$spare" "$first" 'it is a new one, and the old one is gone'
docker_api POST "/containers/$spare/kill" >/dev/null
n=0
id=twarm99999
cp "$T/store/output/twarm00001.tar.zst" "$T/store/output/$id.tar.zst"
own "$T/store"
job='{"id":"'$id'","state":"queued","attempt":1,"install":"",
	"build":"mkdir out; echo hi >out/index.html","output":"out"}'
printf %s "$job" | build >/dev/null
runs 'a spare one that has died does no harm' \
	test -e "$T/store/manifests/$id.json"
is "$(containers)" '' 'and nothing is left'
build --spare
runs '--no-spare removes it' build --no-spare
is "$(containers)" '' 'it is gone'

# --- an engine that answers once, and then hangs ---

write_conf "docker unix:$T/hang.sock"
rm -rf "$T/store/manifests" "$T/store/dist"
start engine perl -MIO::Socket::UNIX -e '
	my ($path, $hung) = @ARGV;
	my $s = IO::Socket::UNIX->new(Local => $path, Listen => 9) or die;
	my @all;
	while (my $c = $s->accept) {
		push @all, $c;
		next if fork;
		my ($asked, $text) = (0, "{}");
		while (my $line = <$c>) {
			$text = "OK" if $line =~ /_ping/;
			next unless $line eq "\r\n";
			if ($asked++) { open my $f, ">", $hung; next }
			printf $c "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n%s", $text;
			$c->flush;
		}
		exit;
	}' "$T/hang.sock" "$T/run/hung"
own "$T/run"
poll_until 10 test -S "$T/hang.sock"
printf %s "$job" >"$T/tmp/job"
"${as_user[@]}" "$T/libexec/davit-build" -c "$T/davit.conf" \
	<"$T/tmp/job" >/dev/null 2>"$T/tmp/events" &
pid=$!
poll_until 20 test -e "$T/run/hung" || not_ok 'the engine hangs'
began=${EPOCHREALTIME/./}
kill -TERM $pid
wait $pid
took=$(((${EPOCHREALTIME/./} - began) / 1000))
if [ $took -lt 4000 ]; then
	ok 'an engine that hangs delays SIGTERM by 2 s at most'
else
	not_ok 'an engine that hangs delays SIGTERM by 2 s at most' "$took ms"
fi
unlike "$(<"$T/tmp/events")" '"done"' 'and nothing is told'

# --- an engine that speaks an older version ---

write_conf "docker unix:$T/old.sock"
start old-engine perl -MIO::Socket::UNIX -e '
	my ($path, $seen) = @ARGV;
	my $s = IO::Socket::UNIX->new(Local => $path, Listen => 9) or die;
	open my $f, ">>", $seen or die;
	$f->autoflush;
	while (my $c = $s->accept) {
		my ($asked) = <$c> =~ m{^GET (\S+?)[? ]};
		while (<$c> ne "\r\n") { }
		print $f "$asked\n";
		my ($status, $text) = $asked =~ /_ping/ ? (400, "{}")
		    : $asked =~ /version/
		    ? (200, q({"ApiVersion":"1.30","MinAPIVersion":"1.12"}))
		    : (200, "[]");
		printf $c "HTTP/1.1 %d x\r\nConnection: close\r\n" .
		    "Content-Length: %d\r\n\r\n%s",
		    $status, length $text, $text;
	}' "$T/old.sock" "$T/run/asked"
poll_until 10 test -S "$T/old.sock"
own "$T/old.sock"
"${as_user[@]}" timeout 20 "$T/libexec/davit-build" \
	-c "$T/davit.conf" --containers
is "$?" 0 'an older engine is talked to'
is "$(xargs <"$T/run/asked")" '/v1.41/_ping /version /v1.30/containers/json' \
	'… in its version'

done_testing
