#!/bin/bash
# Builds that try to get out, or to take the machine down: each line says what
# was tried and what stopped it.  The network and its rules are the test's own.
# DAVIT_TEST_YES: for how many seconds one writes into its log (5).
# shellcheck disable=SC2016,SC2119

# shellcheck source=tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=services.sh
. "$(dirname "$0")/services.sh"
need_docker
need jq zstd perl iptables redis-server apache2 git curl
[ "$(id -u)" -eq 0 ] || skip_all 'only root can make firewall rules'
services_begin
network=dv-test-$$
guard=$top_srcdir/worker/image/ensure-network
trap 'services_end; "$guard" --docker "unix:$docker_socket" \
	--network "$network" --remove' EXIT

# AddressSanitizer would hold 256 MB of what was freed back.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=4
limits=("build_network $network" 'build_guard yes' "build_time $((60 + ${DAVIT_TEST_YES:-0}))" 'build_memory 256M'
	'build_disk 48M' 'build_pids 64' 'log_bytes 64K')
write_conf "${limits[@]}" 'build_allow_hosts 10.1.2.3:4873'
runs 'ensure-network makes the network and its rules' \
	"$guard" -c "$T/davit.conf"
rules=$(iptables -S 2>/dev/null)
runs 'ensure-network once more' "$guard" -c "$T/davit.conf"
is "$(iptables -S 2>/dev/null)" "$rules" 'once more: the same rules'
like "$rules" '10.1.2.3/32 -p tcp -m tcp --dport 4873 -j RETURN' \
	'build_allow_hosts is let through'
write_conf "${limits[@]}"
runs 'ensure-network without the host' "$guard" -c "$T/davit.conf"
unlike "$(iptables -S 2>/dev/null)" '10\.1\.2\.3' 'it is gone from the rules'
if "$guard" --network host >/dev/null 2>&1; then
	not_ok 'the host'\''s network is refused'
else
	ok 'the host'\''s network is refused'
fi

# --- a davitd, and a build whose script is given ---

n=0

# Sets $id; the script runs as the build.
submit() { # FIELD VALUE…; the script on standard input
	n=$((n + 1))
	id=tescape$(printf %03d "$n")
	rm -rf "$T/tmp/p"
	mkdir -p "$T/tmp/p" "$T/store/output"
	cat >"$T/tmp/p/try.sh"
	cp "$T"/tmp/*.js "$T/tmp/p" 2>/dev/null
	echo '{}' >"$T/tmp/p/package.json"
	tar -C "$T/tmp/p" -c . | zstd -q >"$T/store/output/$id.tar.zst"
	own "$T/store"
	rcli hset "davit:deployment:$id" id "$id" state queued attempt 1 \
		created 1 url https://git.example.org/a install true \
		build 'bash try.sh' output out "$@" >/dev/null
	rcli lpush build-queue "$id" >/dev/null
}

is_over() { # ID
	case $(rcli hget "davit:deployment:$1" state) in
	deployed | failed) ;;
	*) false ;;
	esac
}

log_of() { # ID
	rcli get "davit:log:$1" 2>/dev/null
	cat "$T/store/logs/$1.txt" 2>/dev/null
}

# To its end; sets $log and $error.
attempt() { # FIELD VALUE…
	submit "$@"
	poll_until 90 is_over "$id" || not_ok "$id comes to an end"
	log=$(log_of "$id")
	error=$(rcli hget "davit:deployment:$id" error)
}

start_redis
start_davitd

# --- a network without rules ---

told=/run/davit-network/$network
waits_for_it() { # the marker is away, or another's
	rcli get davit:waiting-for | grep -qx network
}
is "$(cat "$told")" "$(cat /proc/sys/kernel/random/boot_id) $(docker_api \
	GET "/networks/$network" | jq -r .Id)" \
	'ensure-network tells what it has guarded'
sed -i 's/^./x/' "$told"
submit <<<'mkdir out; echo hi >out/index.html'
poll_until 30 waits_for_it
is "$(rcli hget "davit:deployment:$id" state)" queued \
	'rules of another boot: no build is started'
like "$(<"$T/log/davitd")" "the network of builds, $network, has no firewall" \
	'and davitd tells what to do'
"$guard" -c "$T/davit.conf" >/dev/null
poll_until 60 is_over "$id"
is "$(rcli hget "davit:deployment:$id" state)" deployed \
	'once there are rules it is built'

# --- what a build can reach ---

host=$(ip -4 route get 198.51.100.1 | sed -n 's/.* src \([0-9.]*\).*/\1/p')
gateway=$(docker_api GET "/networks/$network" |
	jq -r '.IPAM.Config[0].Gateway')
# What listens on this machine's every address, and would answer.
port=$(free_port)
start listener perl -MIO::Socket::INET -e '
	my $s = IO::Socket::INET->new(LocalAddr => "0.0.0.0", Listen => 9,
	    LocalPort => shift, ReuseAddr => 1) or die;
	while (my $c = $s->accept) { print $c "host\n"; close $c }' "$port"
listens_here() {
	(exec 3<>"/dev/tcp/$host/$port") 2>/dev/null
}
must_start listener listens_here

# Another build, that listens as well and says where.
submit <<'END'
node -e '
	require("http").createServer((q, a) => a.end("other")).listen(8000,
	    () => console.log("address " + require("os").networkInterfaces()
		.eth0[0].address + "."));
	setTimeout(() => process.exit(1), 50000);'
END
other=$id
other_listens() {
	address=$(log_of "$other" | sed -n 's/^address \([0-9.]*\)\.$/\1/p')
	[ -n "$address" ]
}
poll_until 30 other_listens || not_ok 'another build listens'

# A resolver of the build's own, which sends each name where the name says: what
# a stranger's does that has a public name for an address in here.
cat >"$T/tmp/names.js" <<END
const dgram = require('dgram'), dns = require('dns'), net = require('net');
const own = new dns.Resolver({ timeout: 3000, tries: 5 });
const server = dgram.createSocket('udp4', (q, from) => {
	const name = q.subarray(13, 13 + q[12]).toString();
	const head = Buffer.from(q.subarray(0, 12));
	head.writeUInt16BE(0x8180, 2);
	head.writeUInt16BE(1, 6);
	head.fill(0, 8);
	const question = q.subarray(12, q.indexOf(0, 12) + 5);
	const answer = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4,
	    ...name.split('-').map(Number)];
	server.send(Buffer.concat([head, question, Buffer.from(answer)]),
	    from.port, from.address);
});
const lookup = (name, options, done) => own.resolve4(name, (e, all) => e
	? done(e)
	: options.all
	    ? done(null, all.map((address) => ({ address, family: 4 })))
	    : done(null, all[0], 4));
const reach = (address, port) => new Promise((done) => {
	const host = address.replaceAll('.', '-') + '.example.org';
	const s = net.connect({ host, port, lookup, autoSelectFamily: false });
	const tell = (what) => { console.log(what + ' name of ' + address);
	    s.destroy(); done(); };
	s.setTimeout(5000, () => tell('silent'));
	s.on('connect', () => tell('reached'));
	s.on('error', (e) => tell({ EHOSTUNREACH: 'rejected',
	    ECONNREFUSED: 'closed' }[e.code] || e.code));
});
server.bind(5300, '127.0.0.1', async () => {
	own.setServers(['127.0.0.1:5300']);
	for (const [address, port] of [['127.0.0.1', $port],
	    ['$host', $port], ['$address', 8000], ['10.0.0.1', 80],
	    ['169.254.169.254', 80]])
		await reach(address, port);
	server.close();
});
END
attempt env '{"SECRET":"none-of-yours"}' commit 0123456789abcdef0123456789abcdef01234567 \
	commit_ref refs/heads/main <<END
reach() { # NAME HOST PORT: a firewall that rejects says so, silence does not
	words=\$(timeout 3 bash -c "exec 3<>/dev/tcp/\$2/\$3 && echo open" 2>&1)
	case \$words in
	open) echo "reached \$1" ;;
	*'No route'*) echo "rejected \$1" ;;
	*) echo "closed \$1" ;;
	esac
}
reach loopback 127.0.0.1 $port
reach gateway $gateway $port
reach address $host $port
reach metadata 169.254.169.254 80
reach private 10.0.0.1 80
reach neighbour 192.168.1.1 80
reach mail 203.0.113.25 25
reach other $address 8000
reach other-by-name davit-$other-1 8000
reach gateway-resolver $gateway 53
node names.js
name=\$(npm config get registry)
name=\${name#*//}
name=\${name%%/*}
timeout 5 bash -c "exec 3<>/dev/tcp/\${name%:*}/443" && echo internet
id -u
grep ^CapEff /proc/self/status
grep ^NoNewPrivs /proc/self/status
grep ^Seccomp: /proc/self/status
find / -xdev -type f -perm /6000 2>/dev/null | head -n 1 | grep . || echo no setuid
ls /run/docker.sock /var/run/docker.sock 2>/dev/null || echo no socket
for file in /etc/x /usr/x /x /proc/sys/kernel/hostname /proc/sysrq-trigger \\
	/sys/kernel/x /sys/fs/cgroup/x /dev/x /dev/mem; do
	(echo b >\$file) 2>/dev/null && echo "wrote \$file"
done
mount -t tmpfs none /tmp 2>/dev/null && echo mounted
unshare -r true 2>/dev/null && unshare -rn true 2>/dev/null && echo unshared
kill -9 1 2>/dev/null
chroot / true 2>/dev/null && echo chrooted
ls /proc | grep -c '^[0-9]' | awk '\$1 > 20 { print "many processes" }'
cat /proc/*/environ 2>/dev/null | tr '\\\\0' '\\\\n' | grep -a REDIS
env | sort | sed 's/^/env /'
echo 'what next'; mkdir out; echo hi >out/index.html
END
is "$(rcli hget "davit:deployment:$id" state)" deployed 'a build that tries all this'
stopped() { # LINE WHAT STOPPED-BY
	like $'\n'"$log"$'\n' $'\n'"$1"$'\n' "$2: $3"
}
stopped 'closed loopback' "the host's loopback" 'a namespace of its own'
stopped 'rejected gateway' "the bridge's gateway" 'the rule in INPUT'
stopped 'rejected address' "the host's own address" 'the rule in INPUT'
stopped 'rejected metadata' '169.254.169.254' 'the rule from DOCKER-USER'
stopped 'rejected private' '10.0.0.0/8' 'the rule from DOCKER-USER'
stopped 'rejected neighbour' '192.168.0.0/16' 'the rule from DOCKER-USER'
stopped 'rejected mail' 'port 25' 'the rule from DOCKER-USER'
stopped 'rejected other' 'another build' 'the rule from DOCKER-USER, enable_icc=false'
stopped 'rejected other-by-name' 'another build, by the name that the engine has for it' 'the same'
stopped 'closed name of 127.0.0.1' 'a name for the loopback' 'a namespace of its own'
stopped "rejected name of $host" "a name for the host's address" 'rules go by addresses'
stopped "rejected name of $address" 'a name for another build' 'rules go by addresses'
stopped 'rejected name of 10.0.0.1' 'a name for a private address' 'rules go by addresses'
stopped 'rejected name of 169.254.169.254' 'a name for 169.254.169.254' \
	'rules go by addresses'
unlike "$log" 'reached' 'what was reached of all that: nothing'
stopped internet 'the package registry' 'nothing, as it has to be'
stopped 1000 'root' 'the container'\''s user'
stopped $'CapEff:\t0000000000000000' 'capabilities' 'CapDrop ALL'
stopped $'NoNewPrivs:\t1' 'gaining privileges' 'no-new-privileges'
stopped $'Seccomp:\t2' 'system calls' 'the seccomp filter'
stopped 'no setuid' 'setuid programs' 'the image has none'
stopped 'no socket' "Docker's socket" 'it is not there'
unlike "$log" 'wrote /' 'writing outside /work: the read-only root, /proc and /sys'
unlike "$log" 'mounted|unshared|chrooted' 'mount, unshare, chroot: no capability, seccomp'
unlike "$log" 'many processes' "other processes: a pid namespace"
unlike "$log" 'REDIS|none-of-yours' 'secrets: no environment but its own, and masked'

like "$log" "env DAVIT_BRANCH=main.*DAVIT_COMMIT=01234.*env DAVIT_ID=$id.*env DAVIT_URL=http://$id" \
	'a build knows what it is a build of'

# The environment is not in the engine's words on the container.
submit env '{"SECRET":"visible-to-no-one"}' <<'END'
echo "$SECRET" | wc -c | sed 's/^ */count /'
echo ready
sleep 50
END
asks=$id
is_ready() {
	[[ $(log_of "$asks") == *$'\nready'* ]]
}
poll_until 30 is_ready || not_ok 'a build is ready'
like "$(log_of "$asks")" 'count 18' "the request's environment is there"
words=$(for c in $(containers); do
	docker_api GET "/containers/$c/json"
	for x in $(docker_api GET "/containers/$c/json" |
		jq -r '.ExecIDs[]?'); do
		docker_api GET "/exec/$x/json"
	done
done)
like "$words" '"ExecIDs":\["' 'the engine knows the build'\''s commands'
unlike "$words" visible-to-no-one 'and none of its secrets'
unlike "$(tr '\0' ' ' <"/proc/$(pgrep -nf "sleep 50")/cmdline")" \
	visible-to-no-one 'nor has a command line them'
rcli set "davit:cancel:$asks" 1 >/dev/null
rcli set "davit:cancel:$other" 1 >/dev/null

# --- what a build can take ---

attempt <<'END'
bomb() { bomb | bomb & }
bomb
sleep 2
exit 9
END
is "$error" build_failed 'a fork bomb: PidsLimit'
runs 'meanwhile and after, this machine starts processes' true

attempt <<'END'
node -e 'const a = []; for (;;) a.push(Buffer.alloc(1 << 20, 1))'
END
is "$error" build_oom 'all memory: Memory, and no swap'

# Wherever it may, and on; what it can take of the host is no more than the
# memory that it is allowed.  Others write here as well, hence the room.
free_bytes() { # of the engine's disk, the store's and /tmp's: the least
	df -B1 --output=avail "$docker_root" "$T" /tmp |
		awk 'NR > 1' | sort -n | head -n 1
}
docker_root=$(docker_api GET /info | jq -r .DockerRootDir)
[ -d "$docker_root" ] || docker_root=/
before=$(free_bytes)
submit <<'END'
for i in $(seq 40); do
	for d in . /dev/shm /var/tmp /run /var/log / /work/home; do
		head -c 20M /dev/zero >"$d/big.$i"
	done
	head -c 20M /dev/zero >/tmp/big
done 2>/dev/null
cat /dev/zero >big
END
least=$before
over_or_less_free() {
	now=$(free_bytes)
	((now >= least)) || least=$now
	is_over "$id"
}
poll_until 90 over_or_less_free || not_ok "$id comes to an end"
is "$(rcli hget "davit:deployment:$id" error)" build_disk \
	'a full disk: the size of the work directory'
if ((before - least < 1 << 30 && least > 256 << 20)); then
	ok 'meanwhile the host keeps its free space: nothing there is on a disk'
else
	not_ok 'meanwhile the host keeps its free space' \
		"$before bytes before, $least at the least"
fi
diag "free: $before bytes before, $least at the least, $(free_bytes) after"

attempt <<'END'
mkdir d
perl -e 'for (my $i = 0;; $i++) { open F, ">", "d/$i" or die "$!\n" }'
END
is "$error" build_disk 'all inodes: the number of the work directory'

resident() { # of davitd, in KiB
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/${pid_of[davitd]}/status"
}
start_apache
before=$(resident)
submit <<END
timeout ${DAVIT_TEST_YES:-5} yes
mkdir out
echo hi >out/index.html
END
most=$before polls=0 slowest=0 deaf=0
over_or_polled() {
	local now started=${EPOCHREALTIME/./}
	api GET "/status/$id" -o "$T/tmp/status" && jq -e .state \
		"$T/tmp/status" >/dev/null || deaf=$((deaf + 1))
	now=$(((${EPOCHREALTIME/./} - started) / 1000))
	((now <= slowest)) || slowest=$now
	polls=$((polls + 1))
	now=$(resident)
	((now <= most)) || most=$now
	is_over "$id"
}
poll_until 150 over_or_polled || not_ok "$id comes to an end"
is "$(rcli hget "davit:deployment:$id" state)" deployed \
	"\"yes\" for ${DAVIT_TEST_YES:-5} s: harmless"
diag "$polls polls, the slowest $slowest ms; davitd $before KiB, then $most"
size=$(log_of "$id" | wc -c)
if [ "$size" -gt 1000 ] && [ "$size" -lt 200000 ]; then
	ok 'and its log is bounded: log_bytes'
else
	not_ok 'and its log is bounded: log_bytes' "$size bytes"
fi
if ((polls > 3 && deaf == 0 && slowest < 10000)); then
	ok 'and each poll meanwhile is answered'
else
	not_ok 'and each poll meanwhile is answered' \
		"$deaf of $polls not; the slowest after $slowest ms"
fi
if ((most - before < 64 << 10)); then
	ok "and davitd's memory is what it was: only head and tail are kept"
else
	not_ok "and davitd's memory is what it was" \
		"$before KiB before, $most at the most"
fi

none() {
	[ -z "$(containers)" ]
}
stop_davitd
poll_until 10 none || :
is "$(containers)" '' 'no container is left'

done_testing
