#!/bin/bash
# davit-build with a real Docker engine and a store in a directory: what each
# kind of project comes to, and that nothing stays behind.
# shellcheck disable=SC2016

# shellcheck source=tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=services.sh
. "$(dirname "$0")/services.sh"

[ "$(docker_api GET /_ping 2>/dev/null)" = OK ] || {
	not_ok "a Docker engine answers on $docker_socket"
	done_testing
	exit 0
}
need jq zstd perl
services_begin
write_conf 'build_time 60' 'build_memory 512M' 'build_disk 64M' \
	'output_files 50'

# --- helpers ---

n=0

# Put the directory into the store as the source of a new deployment.
source_of() { # DIRECTORY: sets $id
	n=$((n + 1))
	id=tbuild$(printf %04d $n)
	mkdir -p "$T/store/output"
	tar -C "$1" -c . | zstd -q >"$T/store/output/$id.tar.zst"
	own "$T/store"
}

job() { # [JSON FIELDS]
	printf '{"id":"%s","state":"queued","attempt":1%s}' "$id" \
		"${1:+,$1}"
}

# Build it; what it logs is $log, its events are $events, the last one $end.
build() { # [JSON FIELDS]
	job "${1:-}" | "${as_user[@]}" "$T/libexec/davit-build" \
		-c "$T/davit.conf" >"$T/tmp/log" 2>"$T/tmp/events"
	rc=$?
	log=$(<"$T/tmp/log")
	events=$(grep -o '{.*}$' "$T/tmp/events")
	end=$(tail -n 1 <<<"$events")
}

takes_less_than() { # MILLISECONDS NAME: since $began
	local took=$(((${EPOCHREALTIME/./} - began) / 1000))
	if [ $took -lt "$1" ]; then ok "$2"; else not_ok "$2" "$took ms"; fi
}

is_not_live() { # NAME
	if [ -e "$T/store/manifests/$id.json" ]; then
		not_ok "$1: not live"
	else
		ok "$1: not live"
	fi
}

published() { # the paths below dist/
	(cd "$T/store/dist/$id" 2>/dev/null && find . -type f | sort | xargs)
}

leaves_nothing() { # NAME
	is "$(containers)" '' "$1: no container is left"
}

fails_as() { # CODE NAME: and nothing is published
	is "$(jq -r .error <<<"$end")" "$1" "$2: $1"
	is "$rc $(published)" '0 ' "$2: nothing is published"
	is_not_live "$2"
	leaves_nothing "$2"
}

project() { # BUILD SCRIPT: a project of node's whose build is this script
	rm -rf "$T/tmp/p"
	mkdir "$T/tmp/p"
	cat >"$T/tmp/p/build.js"
	printf '{"scripts":{"build":"node build.js"}}' >"$T/tmp/p/package.json"
	source_of "$T/tmp/p"
}

# --- a site that is there already ---

mkdir -p "$T/tmp/static"/{css,node_modules/x,.well-known,.git}
cd "$T/tmp/static" || exit
echo '<h1>hi</h1>' >index.html
echo 'a{}' >css/a.css
echo x | tee .env node_modules/x/i.js .git/config Dockerfile >/dev/null
echo x >.well-known/security.txt
source_of .
cd / || exit
build
is "$(jq -c .done,.files,.bytes <<<"$end" | xargs)" 'deployed 3 18' \
	'static: deployed'
is "$(published)" './.well-known/security.txt ./css/a.css ./index.html' \
	'static: what is private is left out'
is "$(jq -r '.files["css/a.css"].type' "$T/store/manifests/$id.json")" \
	'text/css; charset=utf-8' 'static: the manifest is there'
unlike "$events" '"build"' 'static: no container'
before=$(stat -c %Y.%i "$T/store/dist/$id/index.html")
build
is "$(jq -c .done,.files,.bytes <<<"$end" | xargs)" 'deployed 3 18' \
	'static: once more, it is deployed already'
is "$(stat -c %Y.%i "$T/store/dist/$id/index.html")" "$before" \
	'static: a live site is not touched'

# --- a build ---

project <<-'END'
	const fs = require('fs');
	fs.mkdirSync('dist/sub', { recursive: true });
	fs.writeFileSync('dist/index.html', process.env.DAVIT_URL);
	fs.writeFileSync('dist/sub/.hidden', '');
	fs.symlinkSync('../index.html', 'dist/sub/link.html');
	fs.linkSync('dist/index.html', 'dist/hard.html');
	process.stdout.write('my supersec');
	setTimeout(() => console.error('ret and ' + process.getuid()), 100);
END
build '"env":{"TOKEN":"supersecret"}'
is "$(jq -c .done,.files <<<"$end" | xargs)" 'deployed 3' 'build: deployed'
is "$(published)" './hard.html ./index.html ./sub/link.html' \
	'build: links come as files'
is "$(<"$T/store/dist/$id/sub/link.html")" \
	"http://$id.davit.test:$PORT/" 'build: it knows its own address'
like "$log" '\$ npm run build' 'build: the log tells the command'
like "$log" 'my \*\*\* and 1000' 'build: the log hides values, is no root'
is "$(jq -c '[.state, .stage]' <<<"$events" | head -n 3 | tail -n 1)" \
	'[null,"build"]' 'build: stages are told'
leaves_nothing build

# One that the build has left running holds the output open.
project <<-'END'
	const fs = require('fs');
	fs.mkdirSync('dist');
	fs.writeFileSync('dist/index.html', 'x');
	require('child_process').spawn('sleep', ['50'],
		{ detached: true, stdio: 'inherit' }).unref();
END
began=${EPOCHREALTIME/./}
build
is "$(jq -r .done <<<"$end")" deployed 'a process left behind: deployed'
takes_less_than 20000 'a process left behind: not waited for'
leaves_nothing 'a process left behind'

# --- failures ---

project <<<'process.exit(3)'
build '"install":"echo no such package; exit 7"'
fails_as install_failed 'install fails'
like "$(jq -r .message <<<"$end")" 'exited with status 7' \
	'install fails: with its status'
like "$log" 'no such package' 'install fails: its words are in the log'

project <<<'console.log("oh no"); process.exit(3)'
build
fails_as build_failed 'build fails'
like "$log" $'oh no\n.*error: .npm run build. exited with status' \
	'build fails: the log ends with it'

project <<<'1'
build '"output":"site"'
fails_as output_missing 'no output'
like "$(jq -r .message <<<"$end")" 'directory site$' 'no output: which'

project <<<'require("fs").mkdirSync("dist")'
build
fails_as output_empty 'empty output'

project <<-'END'
	const fs = require('fs');
	fs.mkdirSync('dist');
	for (let i = 0; i < 51; i++) fs.writeFileSync('dist/' + i, '');
END
build
fails_as output_too_large 'too many files'

project <<-'END'
	const fs = require('fs');
	fs.mkdirSync('dist');
	fs.symlinkSync('/dev/zero', 'dist/zero');
END
build
fails_as output_unsafe 'a device as output'

project <<<'require("fs").writeFileSync("big", Buffer.alloc(80 << 20))'
build
fails_as build_disk 'disk is full'

write_conf 'build_time 60' 'build_memory 300M' 'build_disk 64M'
project <<<'const a = []; for (;;) a.push(Buffer.alloc(1 << 20, 1))'
build
fails_as build_oom 'memory is full'

write_conf 'build_time 3' 'build_memory 512M' 'build_disk 64M'
project <<<'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)'
began=${EPOCHREALTIME/./}
build
takes_less_than 8000 'time is over: in time'
fails_as build_timeout 'time is over'

echo '{"dependencies":{"next":"14"},"scripts":{"build":"next build"}}' \
	>"$T/tmp/p/package.json"
source_of "$T/tmp/p"
build
fails_as server_framework 'a server'

write_conf 'image davit/no-such-image:22'
project <<<'1'
build
fails_as no_image 'no image'

like "$(jq -r .message <<<"$end")" \
	'davit/no-such-image:22 .*/image/build-image --node 22$' 'no image: how to make it'
no_variant() { # NAME FILE TEXT
	rm -rf "$T/tmp/p"
	mkdir "$T/tmp/p"
	printf '%s\n' "$3" >"$T/tmp/p/$2"
	[ "$1" != ruby ] || echo 'gem "jekyll"' >"$T/tmp/p/Gemfile"
	source_of "$T/tmp/p"
	build
	like "$(jq -r '.error + " " + .message' <<<"$end")" \
		"^no_image .*:22-$1 .*/build-image --node 22 --variant $1\$" \
		"$2: no image $1, and how to make it"
}
no_variant python mkdocs.yml 'site_name: x'
no_variant python conf.py 'extensions = []'
no_variant ruby _config.yml 'title: x'
no_variant full hugo.toml 'title = "x"'

# --- what is nobody's fault ---

write_conf "docker unix:$T/no-docker.sock"
build
is "$(jq -r .done <<<"$end")" retry 'no engine: it is tried again'
runs_not() {
	if "$@" >/dev/null 2>&1; then
		not_ok "fails: $*"
	else
		ok "--clean without an engine fails"
	fi
}
runs_not "$T/libexec/davit-build" -c "$T/davit.conf" --clean "$id"
write_conf 'build_time 60' 'build_memory 512M' 'build_disk 64M'
rm "$T/store/output/$id.tar.zst"
build
fails_as internal_error 'the source is gone'

# --- stopping ---

building() {
	grep -q '"stage":"build"' "$T/tmp/events"
}

start_build() { # NAME: until it builds; sets $pid
	: >"$T/tmp/events"
	"${as_user[@]}" "$T/libexec/davit-build" -c "$T/davit.conf" \
		<"$T/tmp/job" >"$T/tmp/log" 2>>"$T/tmp/events" &
	pid=$!
	poll_until 20 building || not_ok "$1: it builds" "$(<"$T/tmp/events")"
}

project <<<'setInterval(() => {}, 1000)'
job >"$T/tmp/job"
start_build stop
kill -TERM $pid
began=${EPOCHREALTIME/./}
wait $pid
is $? 0 'stop: SIGTERM is a good end'
takes_less_than 2000 'stop: within 2 s'
unlike "$(<"$T/tmp/events")" '"done"' 'stop: it says nothing more'
leaves_nothing stop

# Killed, it leaves its container to --clean.
start_build kill
kill -KILL $pid
wait $pid 2>/dev/null
unlike "$(containers)" '^$' 'kill: a container is left'
runs '--clean removes it' "$T/libexec/davit-build" -c "$T/davit.conf" \
	--clean "$id"
leaves_nothing 'clean'
runs '--clean finds nothing any more' "$T/libexec/davit-build" \
	-c "$T/davit.conf" --clean "$id"

# --- davitd's word ---

# Run the job with a socket as descriptor 3, and say no to the event that
# matches; print the events.
answered() { # REGEX
	"${as_user[@]}" perl -MSocket -MPOSIX -e '
		my ($no, @command) = @ARGV;
		socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, 0)
		    or die;
		my $pid = fork;
		if ($pid == 0) {
			POSIX::dup2(fileno($theirs), 3);
			exec @command or die;
		}
		close $theirs;
		$ours->autoflush(1);
		while (<$ours>) {
			print;
			print $ours $_ =~ $no ? "{\"go\":false}\n"
			    : "{\"go\": true}\n";
		}
		waitpid $pid, 0;
		exit $? >> 8;
	' "$1" "$T/libexec/davit-build" -c "$T/davit.conf" \
		<"$T/tmp/job" 2>"$T/tmp/events" >"$T/tmp/out"
	rc=$?
	events=$(grep '^{' "$T/tmp/out")
}

project <<<'require("fs").mkdirSync("dist");
	require("fs").writeFileSync("dist/index.html", "x")'
job >"$T/tmp/job"
answered '"commit"'
is "$rc" 0 'no to the commit: a good end'
like "$events" '"stage":"publish".*"commit":true' \
	'no to the commit: it was asked'
unlike "$events" '"done"' 'no to the commit: that is all'
is_not_live 'no to the commit'
leaves_nothing 'no to the commit'
answered 'never'
like "$events" '"commit":true.*"done":"deployed"' 'yes to all: deployed'
is "$(published)" './index.html' 'yes to all: published'
leaves_nothing 'yes to all'

done_testing
