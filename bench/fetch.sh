#!/bin/bash
# Fetch to tar: davit-fetch beside a shallow clone and git archive, and beside
# a plain clone and tar.
# shellcheck disable=SC2016,SC2119

# shellcheck source=bench.sh
. "$(dirname "$0")/bench.sh"

# A repository of 100 files and 10,000 commits that each change one of them.
deep_repo() {
	git init -q --bare "$T/git/deep.git"
	perl -e '
		my $author = "committer t <t\@davit.test>";
		for my $n (1 .. 10000) {
			my $text = join "", map { sprintf "%d %08x\n", $n,
			    $n * $_ % 2**32 } 1 .. 200;
			print "commit refs/heads/main\n$author $n +0000\n",
			    "data 2\nc\n";
			printf "M 644 inline %d.txt\ndata %d\n%s\n",
			    $n % 100, length $text, $text;
		}' | git -C "$T/git/deep.git" fast-import --quiet
	git -C "$T/git/deep.git" symbolic-ref HEAD refs/heads/main
	own "$T/git/deep.git"
}

as_services_user() {
	env HOME="$T/tmp" GIT_CONFIG_NOSYSTEM=1 "${as_user[@]}" "$@"
}

ours() {
	DAVIT_ALLOW_HOSTS=127.0.0.1 as_services_user "$T/libexec/davit-fetch" \
		--ignored keep "$url" 3>/dev/null
}

shallow() {
	rm -rf "$T/tmp/shallow"
	as_services_user git clone -q --bare --depth 1 --single-branch "$url" \
		"$T/tmp/shallow" &&
		as_services_user git -C "$T/tmp/shallow" archive HEAD
}

plain() {
	rm -rf "$T/tmp/plain"
	as_services_user git clone -q "$url" "$T/tmp/plain" &&
		tar -C "$T/tmp/plain" --exclude .git -cf - .
}

services_begin
write_conf
start_apache
mkdir "$T/tmp/small" "$T/tmp/medium"
make_files "$T/tmp/small" 20
make_files "$T/tmp/medium" 2000
git_repo small "$T/tmp/small" >/dev/null
git_repo medium "$T/tmp/medium" >/dev/null
deep_repo
for size in small medium deep; do
	url=$URL/git/$size.git
	interleave ours shallow plain
	line "fetch $size to tar" "${medians[0]}" "${medians[1]}" ms \
		"$git_name, clone --depth 1 and archive"
	line "fetch $size to tar" "${medians[0]}" "${medians[2]}" ms \
		"$git_name, clone and tar"
done
