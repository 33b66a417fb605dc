# bench.sh - what the benches share; to be sourced.
#
# A bench prints lines "name<TAB>ours<TAB>peer<TAB>unit<TAB>peer's name and
# version" ("-" where there is no peer) on standard output, and words on
# standard error.  bench/run runs them all and makes the table.

# shellcheck shell=bash disable=SC2034
: "${top_srcdir:=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}"
: "${top_builddir:=$top_srcdir}"
# shellcheck source=../tests/tap.sh
. "$top_srcdir/tests/tap.sh" >&2
# shellcheck source=../tests/services.sh
. "$top_srcdir/tests/services.sh"

rounds=${BENCH_ROUNDS:-5}
git_name="git $(git version | cut -d ' ' -f 3)"

say() {
	printf 'bench: %s\n' "$*" >&2
}

line() { # NAME OURS PEER UNIT PEER-NAME
	printf '%s\t%s\t%s\t%s\t%s\n' "$@"
}

# The ms that a command takes, in $ms.  One that fails ends the bench.
clock() { # COMMAND…
	local start=${EPOCHREALTIME/./}
	"$@" >/dev/null 2>"$T/log/clock" || {
		say "failed: $*"
		cat "$T/log/clock" >&2
		exit 1
	}
	ms=$(((${EPOCHREALTIME/./} - start) / 1000))
}

median() { # NUMBER…
	printf '%s\n' "$@" | sort -n | awk '{ v[NR] = $1 }
		END { print v[int((NR + 1) / 2)] }'
}

# Ours and the peers, one after the other in each round; a first round that
# does not count warms caches.  $medians in the order of the commands.
interleave() { # COMMAND…
	local -A times=()
	local round command i
	for ((round = 0; round <= rounds; round++)); do
		i=0
		for command; do
			clock "$command"
			[ "$round" -eq 0 ] || times[$i]+="$ms "
			i=$((i + 1))
		done
	done
	medians=()
	for ((i = 0; i < $#; i++)); do
		# shellcheck disable=SC2086
		medians+=("$(median ${times[$i]})")
	done
}

# Files of 4 KB that do not compress to nothing.
make_files() { # DIRECTORY COUNT
	perl -e '
		my ($dir, $count) = @ARGV;
		srand 1;
		for my $i (0 .. $count - 1) {
			my $d = "$dir/" . int($i / 100);
			mkdir $d;
			open my $out, ">", "$d/$i.txt" or die $!;
			printf $out "%08x\n", rand 2**32 for 1 .. 455;
		}' "$@"
}

# rclone.conf and s3cmd.conf for what start_swift has started.
s3_peers_conf() { # [MiB A PART]
	local part=${1:-8}
	unset AWS_CA_BUNDLE # rclone stumbles over it
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
		chunk_size = ${part}M
	END
	cat >"$T/s3cmd.conf" <<-END
		[default]
		access_key = test:tester
		secret_key = testing
		host_base = ${S3_URL#http://}
		host_bucket = ${S3_URL#http://}
		use_https = False
		multipart_chunk_size_mb = $part
	END
}
