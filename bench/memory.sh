#!/bin/bash
# Peak memory of a submission (submit.fcgi and davit-fetch) of 10 MB and of
# 500 MB.
# shellcheck disable=SC2016,SC2119

# shellcheck source=bench.sh
. "$(dirname "$0")/bench.sh"

# A repository of files of 1 MB, which no compression makes smaller.
big_repo() { # NAME COUNT
	local i
	mkdir "$T/tmp/$1"
	for ((i = 0; i < $2; i++)); do
		head -c 1000000 /dev/urandom >"$T/tmp/$1/$i.bin"
	done
	export GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=core.compression
	export GIT_CONFIG_VALUE_0=0 GIT_CONFIG_KEY_1=core.bigFileThreshold
	export GIT_CONFIG_VALUE_1=100k
	git_repo "$1" "$T/tmp/$1"
	rm -rf "${T:?}/tmp/$1"
}

pid_of_program() { # PROGRAM
	local exe
	for exe in /proc/[0-9]*/exe; do
		[ "$(readlink "$exe")" != "$T/libexec/$1" ] ||
			basename "${exe%/exe}"
	done 2>/dev/null | head -n 1
}

kib() { # PROGRAM FIELD FILE
	awk -v field="$2:" '$1 == field { print $2 }' \
		"/proc/$(pid_of_program "$1")/$3"
}

# KiB at most in any one child; getrusage(RUSAGE_CHILDREN), ru_maxrss.
fetch_peak() { # URL
	DAVIT_ALLOW_HOSTS=127.0.0.1 "${as_user[@]}" perl -e '
		open STDOUT, ">", "/dev/null" or die;
		system({ $ARGV[0] } @ARGV) == 0 or die "davit-fetch: $?\n";
		my $usage = "\0" x 144;
		syscall(98, -1, $usage) == 0 or die;
		print STDERR unpack("x32 q", $usage), "\n";
		' "$T/libexec/davit-fetch" "$1" 3>/dev/null 2>&1 | tail -n 1
}

peak() { # URL: KiB in $peak
	local id
	start_apache
	id=$(deploy "$1") || exit 1
	: "$id"
	peak=$(($(kib submit.fcgi VmHWM status) + $(fetch_peak "$1")))
	stop_apache
}

services_begin
write_conf 'source_bytes 1G' 'pack_bytes 1G'
start_redis
start_apache
small=$(big_repo small 10)
large=$(big_repo large 500)
stop_apache
peak "$small"
small_peak=$peak
peak "$large"
line 'peak memory, 500 MB repository' "$peak" "$small_peak" KiB \
	'the same, 10 MB repository'
