#!/bin/bash
# One commit, fetched once: a second submission of it takes the stored source,
# after the git host was asked; and when it must not.
# shellcheck disable=SC2119

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"

need jq curl git redis-server apache2
services_begin
# The subshell that sets these too is in services.sh.
# shellcheck disable=SC2031
export HOME=$T/tmp GIT_CONFIG_NOSYSTEM=1 \
	GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@davit.test \
	GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@davit.test
git config --global --add safe.directory '*'

begin() { # [CONF-LINE…]
	stop_apache
	write_conf "$@"
	start_apache "CustomLog $T/run/seen \"%m %U %B\""
}

# --- repositories ---

# As git_repo, with a working copy that stays: $T/tmp/NAME.
mkdir "$T/tmp/site"
(
	cd "$T/tmp/site" && git init -q -b main || exit
	head -c 300000 /dev/urandom >photo.jpg
	mkdir web
	echo '<h1>one</h1>' | tee index.html >web/index.html
	echo '*.log' >.gitignore
	echo x >a.log
	git add -Af && git commit -qm first && git tag -am one v1
	git clone -q --bare . "$T/git/site.git"
	git -C "$T/git/site.git" config uploadpack.allowAnySHA1InWant true
	git clone -q . "$T/tmp/outer"
	cd "$T/tmp/outer" || exit
	printf '[submodule "m"]\n\tpath = m\n\turl = ../site.git\n' \
		>.gitmodules
	git add .gitmodules
	git update-index --add --cacheinfo "160000,$(git rev-parse HEAD),m"
	git commit -qm outer && git clone -q --bare . "$T/git/outer.git"
) >&2
own "$T/git"
url=$URL/git/site.git

push() { # MESSAGE
	(
		cd "$T/tmp/site" && echo "$1" >index.html &&
			git commit -qam "$1" && git push -q "$T/git/site.git" main
	) >&2
	own "$T/git"
}

# --- asking ---

# Submit; $answer, $id, $source (or the error), and what the git host saw:
# $posts, $bytes.
ask() { # [JSON [CURL OPTION…]]
	local body
	body=$(jq -cn --arg url "$url" "{url: \$url} + ${1:-{\}}")
	shift
	: >"$T/run/seen"
	answer=$(api POST /get/url -H 'Content-Type: application/json' \
		-d "$body" "$@")
	id=$(jq -r '.id // empty' <<<"$answer")
	source=$(jq -r '.source // .error' <<<"$answer")
	posts=$(grep -c '^POST /git/.*/git-upload-pack ' "$T/run/seen")
	bytes=$(awk '$2 ~ /^\/git\// { n += $3 } END { print n + 0 }' \
		"$T/run/seen")
}

object() { # ID
	printf '%s/store/output/%s.tar.zst' "$T" "$1"
}

# What the record says of the source.
facts() { # ID
	api GET "/status/$1" | jq -cS '.commit, .ignored, .notes,
		.source.bytes, .source.files'
}

again() { # WANTED NAME [JSON [CURL OPTION…]]
	local wanted=$1 name=$2
	shift 2
	ask "$@"
	is "$source" "$wanted" "$name"
	[ -e "$(object "$id")" ] || not_ok "… and is stored" "$answer"
}

# --- the same once more ---

start_redis
begin
ask
first=$id
is "$source" fetched "the first time, a commit is fetched"
is "$posts $((bytes > 300000))" "2 1" "… with its pack"
is "$(api GET "/status/$id" | jq .source.from)" null "… from nowhere else"
again reused "the second time, it is there"
is "$posts $((bytes < 5000))" "1 1" "… after one list of references, no pack"
unlike "$id" "^$first?\$" "… under a new id"
runs "… with the same bytes" cmp "$(object "$first")" "$(object "$id")"
is "$(facts "$id")" "$(facts "$first")" "… the same facts"
is "$(api GET "/status/$id" | jq -r .source.from)" "$first" \
	"… and where they are from"
is "$(jq -r .source.from "$T/store/deployments/$id.json")" "$first" \
	"… in the durable record, too"
like "$(rcli lrange build-queue 0 0)" "$id" "… and it is queued"
rm "$(object "$first")"
runs "its source is its own" zstd -tq "$(object "$id")"
again reused "the last one is taken on"
for key in $(rcli --raw keys 'davit:source:*'); do
	like "$(rcli pttl "$key")" '^[1-8][0-9]{7}$' "for a day: $key"
done

# --- another thing ---

for options in '{ref: "main"}' '{ref: "v1"}' '{dir: "web"}' \
	'{ignored: "keep"}' "{ref: \"$(git -C "$T/tmp/site" rev-parse HEAD)\"}"
do
	again fetched "not with other options: $options" "$options"
	again reused "but with the same ones" "$options"
done
again fetched 'nor where no cache is wanted' '{cache: false}'
again reused 'what only the build looks at does not matter' '{build: "true"}'
url=$URL/git/outer.git
again fetched "a repository with a submodule is fetched"
again fetched "… every time"
url=$URL/git/site.git

# --- another commit ---

push second
again fetched "a new commit is fetched"
is "$(api GET "/status/$id" | jq -r .commit.subject)" second "… and told"
again reused "(a tag stays where it is)" '{ref: "v1"}'
again reused "and once"

# --- what is gone ---

rm "$(object "$id")"
again fetched "where the stored source is gone, it is fetched"
again reused "(and there again)"
rcli del "davit:deployment:$id" >/dev/null
again fetched "or its record"
mv "$T/git/site.git" "$T/git/hidden.git"
ask
is "$source $posts" "repository_not_found 0" \
	"a repository that is gone is not given from before"
mv "$T/git/hidden.git" "$T/git/site.git"
git -C "$T/git/site.git" tag -d v1 >/dev/null
ask '{ref: "v1"}'
is "$source" ref_not_found "nor a tag"

# --- a listing that goes wrong ---

mv "$T/libexec/davit-fetch" "$T/libexec/honest"
liar() { # WANTED NAME LINE…
	local wanted=$1 name=$2
	shift 2
	printf '%s\n' '#!/bin/sh' "case \" \$* \" in *' --resolve '*)" "$@" \
		'exit;; esac' "exec '$T/libexec/honest' \"\$@\"" \
		>"$T/libexec/davit-fetch"
	chmod 755 "$T/libexec/davit-fetch"
	again fetched "$name"
}
commit=$(git -C "$T/tmp/site" rev-parse HEAD)
right="echo '{\"commit\":\"$commit\"}' >&3"
sure="echo '{\"ok\":true}' >&3"
liar fetched "a listing without a word: it is fetched"
liar fetched "… with half a commit" "echo '{\"commit\":\"abc\"}' >&3" "$sure"
liar fetched "… without its end" "$right"
liar fetched "… with a stream" "echo stream; $right; $sure"
liar fetched "… that fails" "$right; $sure; exit 1"
printf '#!/bin/sh\necho %s\n' \
	"'{\"error\":\"repository_private\",\"message\":\"no\"}' >&3; exit 6" \
	>"$T/libexec/davit-fetch"
ask
is "$source" repository_private "no right to list: no source"
mv "$T/libexec/honest" "$T/libexec/davit-fetch"

# --- many at once ---

push third
at_once() { # NUMBER
	local n pids=()
	for n in $(seq "$1"); do
		api POST /get/url -H 'Content-Type: application/json' \
			-d "{\"url\": \"$url\"}" >"$T/tmp/answer.$n" &
		pids+=($!)
	done
	wait "${pids[@]}"
	cat "$T"/tmp/answer.*
}
for round in 'at once' 'once more'; do
	answers=$(at_once 6)
	mapfile -t ids < <(jq -r .id <<<"$answers" | sort -u)
	is "${#ids[@]}" 6 "six $round: each has its id"
	for id in "${ids[@]}"; do
		zstd -tq "$(object "$id")"
	done >"$T/log/zstd" 2>&1
	is "$(cat "$T/log/zstd")" "" "… and its source"
done
is "$(jq -r .source <<<"$answers" | sort | uniq -c | xargs)" "6 reused" \
	"the second time, all by a copy"

# --- other bounds, other owners ---

begin 'source_bytes 100K'
ask
is "$source" repository_too_large "bounds of now count"
{
	echo "alice $(printf alpha | sha256sum | cut -d ' ' -f 1)"
	echo "bob $(printf beta | sha256sum | cut -d ' ' -f 1)"
} >"$T/tokens"
chmod 600 "$T/tokens"
own "$T/tokens"
begin "tokens $T/tokens"
again fetched "alice's first" '{}' -H 'Authorization: Bearer alpha'
again fetched "is not bob's" '{}' -H 'Authorization: Bearer beta'
again reused "but hers" '{}' -H 'Authorization: Bearer alpha'

is "$(find "$T/scratch" -mindepth 1)" "" "nothing is left in scratch"
done_testing
