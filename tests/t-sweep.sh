#!/bin/bash
# What nobody claims any more is swept up, and nothing else; deployments are
# deleted by users and by age.
# shellcheck disable=SC2119

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"

need jq curl git redis-server apache2
need_docker
services_begin
write_conf
start_redis
start_apache
start_davitd

mkdir "$T/tmp/page"
echo '<h1>page</h1>' >"$T/tmp/page/index.html"
echo '/old /new 301!' >"$T/tmp/page/_redirects"
url=$(git_repo page "$T/tmp/page")

ask() { # METHOD PATH [CURL OPTION…]: $code, $answer
	answer=$(api "$@" -w '\n%{http_code}')
	code=${answer##*$'\n'}
	answer=${answer%$'\n'*}
}
field() { # JQ-EXPRESSION
	jq -r "$1" <<<"$answer"
}
settled() {
	[ "$(rcli scard davit:settling)" = 0 ]
}
deployed() { # [JOB]: an id that is settled
	local id
	id=$(deploy "${1:-$url}")
	wait_final "$id" 60 >/dev/null
	poll_until 30 settled
	printf '%s\n' "$id"
}
objects() { # ID: what the store has of it
	(cd "$T/store" && find . -path "*$1*" | sort | xargs)
}
sites() { # ID: the status of its front page
	site "$1" / -o /dev/null -w '%{http_code}'
}
long_ago() { # ID: it ended three days before
	local then=$((${EPOCHREALTIME/./} / 1000 - 3 * 24 * 3600 * 1000))
	rcli hset "davit:deployment:$1" updated $then >/dev/null
	[ -z "$(rcli hget "davit:deployment:$1" deleted | grep -v '^0$')" ] ||
		rcli hset "davit:deployment:$1" deleted $then >/dev/null
}
sweep() { # [CONF-LINE…]
	write_conf "$@"
	"${as_user[@]}" "$T/libexec/davitd" -c "$T/davit.conf" --sweep \
		>>"$T/log/sweep" 2>&1 || not_ok 'davitd --sweep' \
		"$(tail -n 3 "$T/log/sweep")"
	write_conf
}

# --- deleting ---

id=$(deployed)
kept=$(deployed)
is "$(sites "$id")" 200 'a site is live'
ask PUT /aliases/blog -d "{\"id\": \"$id\"}"
ask DELETE "/deployments/$id"
is "$code $(field .error)" '409 conflict' 'one that an alias points at stays'
like "$(field .message)" 'alias blog ' '… and the alias is named'
ask DELETE /aliases/blog
ask DELETE "/deployments/$id"
is "$code $(field .success) $(field .id)" "200 true $id" 'then it is deleted'
deleted=$(field .deleted)
like "$deleted" '^[0-9]{13}$' '… at a time'
like "$(sites "$id")" '^4(04|10)$' 'its site is gone at once'
is "$(objects "$id" | grep -o manifests)" '' '… by its manifest'
ask GET "/status/$id"
is "$code $(field .state) $(field .deleted)" "200 deployed $deleted" \
	'its status tells'
poll_until 30 settled
is "$(objects "$id")" "./deployments/$id.json" 'only its record is left'
is "$(jq .deleted "$T/store/deployments/$id.json")" "$deleted" '… and tells'
ask GET "/log/$id"
is "$code $(field .error)" '410 gone' 'its log is gone'
ask DELETE "/deployments/$id"
is "$code $(field .deleted)" "200 $deleted" 'twice is once'
ask GET /deployments
is "$(field '[.deployments[].id] | join(" ")')" "$kept" \
	'it is not listed any more'
ask PUT /aliases/blog -d "{\"id\": \"$id\"}"
is "$code" 409 'no alias leads to it'
poll_until 30 settled
rcli flushall >/dev/null
filled() {
	[ "$(rcli exists davit:filled)" = 1 ]
}
poll_until 30 filled
ask GET "/status/$id"
is "$(field .deleted)" "$deleted" 'Redis forgets, the store does not'
ask GET /deployments
is "$(field '[.deployments[].id] | join(" ")')" "$kept" '… nor lists it'
is "$(sites "$kept")" 200 'another one is as it was'
poll_until 30 settled

stop_davitd
id=$(deploy "$url")
ask POST "/deployments/$id/redeploy"
is "$code $(field .error)" '409 conflict' 'one that waits is not redeployed'
ask DELETE "/deployments/$id"
is "$code $(field .error)" '409 conflict' '… nor deleted'
like "$(field .message)" 'cancel it first' '… it says how'
ask DELETE /deployments/zzzzzzzzzz
is "$code" 404 'nor is what is not there'
api POST "/deployments/$id/cancel" >/dev/null
ask DELETE "/deployments/$id"
is "$code" 200 'once it is canceled, it is'
# Redis forgets while it is only half gone.
cp -r "$T/store/dist/$kept" "$T/store/dist/$id"
touch "$T/store/manifests/$id.json"
own "$T/store/dist/$id"
rcli flushall >/dev/null
start_davitd
poll_until 30 filled
poll_until 30 settled
is "$(objects "$id")" "./deployments/$id.json" \
	'what was half deleted goes when Redis is filled again'

# An alias and a deletion that meet: both wait, and one of them is refused.
met=$(deployed)
start holder perl -MFcntl -e 'open my $f, "+>>", shift or die;
	my $all = pack "s s x4 q q l x4", F_WRLCK, 0, 0, 0, 0;
	fcntl $f, F_SETLKW, $all or die;
	$| = 1; print "held\n"; sleep' "$T/store/tmp/.lock"
holds() {
	grep -q held "$T/log/holder"
}
waiting() { # for the lock: N
	[ "$(grep -c -- "-> .*:$(stat -c %i "$T/store/tmp/.lock") " \
		/proc/locks)" -ge "$1" ]
}
poll_until 20 holds
api PUT /aliases/meets -d "{\"id\": \"$met\"}" >"$T/tmp/put" &
put=$!
runs 'an alias waits for others that change' poll_until 20 waiting 1
api DELETE "/deployments/$met" >"$T/tmp/delete" &
delete=$!
runs 'so does a deletion' poll_until 20 waiting 2
stop holder
wait "$put" "$delete"
is "$(jq -r '.success // .error // "moved"' "$T/tmp/put" "$T/tmp/delete" |
	sort | xargs | sed 's/conflict true/one/; s/conflict moved/one/')" one \
	'no alias leads to what is deleted'
api DELETE /aliases/meets >/dev/null

# --- redeploying ---

job=$(jq -cn --arg url "$url" '{url: $url, output: "out", env: {A: "hush"},
	alias: "carried",
	build: "mkdir out; cp index.html out; echo a=$A >>out/index.html"}')
old=$(deployed "$job")
is "$(site "$old" / | xargs)" '<h1>page</h1> a=hush' 'a site is built'
rm -rf "$T/git/page.git"
ask POST "/deployments/$old/redeploy"
again=$(field .id)
is "$code $(field .success) $(field .status)" "200 true /status/$again" \
	'it is built again, without its repository'
like "$(field .note)" 'environment are not kept' '… it says of what'
is "$(wait_final "$again" 60)" deployed '… from the source that was kept'
is "$(site "$again" / | xargs)" '<h1>page</h1> a=' '… as it was asked for'
is "$(api GET "/status/$again" | jq -c '[.url, .build, .commit]')" \
	"$(api GET "/status/$old" | jq -c '[.url, .build, .commit]')" \
	'… by its record, too'
is "$(api GET "/status/$again" | jq -r .source.from)" "$old" \
	'… which tells whose source it was'
carried_by() { # ID
	[ "$(api GET /aliases/carried | jq -r .id)" = "$1" ]
}
runs '… and has taken its alias over' carried_by "$again"
before=$again
ask POST "/deployments/$old/redeploy" -d '{"env": {"A": "sush"}}'
again=$(field .id)
is "$code $(field .note)" '200 null' 'an environment may be given again'
is "$(wait_final "$again" 60)" deployed '… to build with'
is "$(site "$again" / | xargs)" '<h1>page</h1> a=sush' '… and is'
ask POST "/deployments/$old/redeploy" -d '{"build": "true"}'
is "$code $(field .error)" '400 bad_request' 'nothing else may'
ask POST "/deployments/$id/redeploy"
is "$code $(field .error)" '410 gone' 'what was deleted has no source'
rm "$T/store/output/$old.tar.zst"
ask POST "/deployments/$old/redeploy"
is "$code $(field .error)" '410 gone' 'nor has what is older than keep_source'
ask POST /deployments/zzzzzzzzzz/redeploy
is "$code" 404 'nor what is not there'
is "$(find "$T/store/output" -type f -newer "$T/store/manifests/$again.json")" '' \
	'refused, it leaves nothing'
poll_until 30 settled

# --- an alias that was moved to what has ended otherwise ---

# As where a cancel, or the last attempt's death, comes after the move.
runs 'the last one has the alias' carried_by "$again"
rcli hset "davit:deployment:$again" state canceled >/dev/null
rcli sadd davit:settling "$again" >/dev/null
poll_until 30 settled
runs 'it goes back to the one before' carried_by "$before"
is "$(site carried / | xargs)" '<h1>page</h1> a=' '… which is seen there'
is "$(site "$again" / -o /dev/null -w '%{http_code}')" 404 \
	'… and the other one nowhere'
api DELETE /aliases/carried >/dev/null
for name in "$old" "$again"; do
	ask DELETE "/deployments/$name"
done
url=$(git_repo page "$T/tmp/page")
poll_until 30 settled

# --- what was planted ---

stop_davitd
make() { # FILE…: in the store, old
	local file
	for file; do
		mkdir -p "$(dirname "$T/store/$file")"
		echo planted >"$T/store/$file"
	done
}
foreign=("dist/My-Site.org/index.html" "dist/abc/index.html" output/notes.txt
	"output/abcdefghij.zip" "output/ABCDEFGHIJ.tar.zst" "logs/access.log"
	"logs/abcdefghij.txt.gz" "backup/abcdefghij.json" "aliases/x.json.old"
	"deployments/README.json" "manifests/abcdefghij.txt" "tmp/mine"
	"tmp/mine.of/file" "probe/readme" "live0000ab.txt")
stray=(output/strayaaaaa.tar.zst logs/straybbbbb.txt
	dist/strayccccc/deep/in.html
	tmp/strayddddd probe/strayggggg)
young=(output/youngaaaaa.tar.zst logs/youngbbbbb.txt dist/youngccccc/in.html
	tmp/youngddddd tmp/youngeeeee.1/in)
live=(dist/stranger00/index.html manifests/stranger00.json
	output/unreadable.tar.zst logs/unreadable.txt)
rcli hset davit:deployment:unreadable id unreadable state strange >/dev/null
make "${foreign[@]}" "${stray[@]}" "${live[@]}"
find "$T/store" -newer "$T/davit.conf" -exec touch -h -d '3 days ago' {} +
make "${young[@]}"
mkdir -p "$T/scratch/fetch-Stray1/pack" "$T/scratch/fetch-young1" \
	"$T/scratch/fetch-too-long" "$T/scratch/mine"
touch -d '3 days ago' "$T"/scratch/{fetch-Stray1,fetch-too-long,mine}
own "$T/store" "$T/scratch"
rcli set "davit:mine" 1 >/dev/null
rcli set "other:deployment:abcdefghij" 1 >/dev/null
before=$(rcli --raw keys '*' | grep -v davit:check | sort)

container() { # NAME [LABEL…]
	local name=$1 labels
	shift
	labels=$(jq -cn '[$ARGS.positional[] | {(.): "1"}] | add // {}' \
		--args "$@")
	docker_api POST "/containers/create?name=$name" \
		-H 'Content-Type: application/json' -d "$(jq -cn \
		--argjson labels "$labels" --arg w "$worker" '{
		Image: "davit/builder:22", Entrypoint: ["true"],
		Labels: ($labels | if .mine then .["davit.worker"] = $w
			else . end)}')" | jq -r .Id
}
exists() { # KIND NAME
	[ "$(docker_api GET "/$1/$2$([ "$1" = volumes ] || echo /json)" \
		-o /dev/null -w '%{http_code}')" = 200 ]
}
planted=()
unplant() {
	local name
	for name in "${planted[@]}"; do
		docker_api DELETE "/containers/$name?force=1&v=1" >/dev/null
	done
	docker_api DELETE "/volumes/$worker-foreign" >/dev/null
	services_end
}
trap unplant EXIT
held=heldaaaaaa lost=lostaaaaaa
for name in "davit-$lost-1 mine" "davit-$held-1 mine" "$worker-foreign mine" \
	"davit-foreignaaa-1" "$worker-other davit"; do
	# shellcheck disable=SC2086
	container $name >/dev/null
	planted+=("${name% *}")
done
docker_api POST /volumes/create -H 'Content-Type: application/json' \
	-d "{\"Name\": \"$worker-foreign\"}" >/dev/null
rcli lpush "davit:taken:$worker" "$held" >/dev/null

all_there() { # FILE…: names those that are not
	local file
	for file; do
		[ -e "$T/store/$file" ] || echo "$file"
	done
}
none_there() {
	local file
	for file; do
		[ ! -e "$T/store/$file" ] || echo "$file"
	done
}

rcli del davit:filled >/dev/null
sweep
is "$(all_there "${foreign[@]}" output/strayaaaaa.tar.zst \
	dist/strayccccc/deep/in.html "${young[@]}" "${live[@]}")" '' \
	'a Redis that is not filled decides nothing'
rcli set davit:filled 1 >/dev/null
sweep
is "$(none_there "${stray[@]}")" '' 'what no record claims is removed'
is "$(all_there "${foreign[@]}")" '' 'what is not of davit stays'
is "$(all_there "${young[@]}")" '' 'so does what is young'
is "$(all_there "${live[@]}")" '' 'and a live site, whatever it is'
is "$(sites "$kept")" 200 'and one that is known'
is "$(find "$T/scratch" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort |
	xargs)" 'fetch-too-long fetch-young1 mine' \
	'of scratch, only what a fetch has left'
is "$(rcli --raw keys '*' | grep -v davit:check | sort)" \
	"$(printf '%s\n' "$before" "davit:taken:$worker" | sort)" \
	'no key is touched'
runs 'a container of an id in hand stays' exists containers "davit-$held-1"
if exists containers "davit-$lost-1"; then
	not_ok 'one of an id that is not is removed' \
		"$(tail -n 5 "$T/log/sweep")"
else
	ok 'one of an id that is not is removed'
fi
for name in "$worker-foreign" davit-foreignaaa-1 "$worker-other"; do
	runs 'a foreign container stays' exists containers "$name"
done
runs 'and a foreign volume' exists volumes "$worker-foreign"
rcli del "davit:taken:$worker" >/dev/null

# --- ages ---

sweep 'keep_source 1'
runs 'the source of what has just ended is kept' \
	test -e "$T/store/output/$kept.tar.zst"
long_ago "$kept"
sweep 'keep_source 4'
runs '… and for as long as it is wished' \
	test -e "$T/store/output/$kept.tar.zst"
sweep 'keep_source 0'
runs '… or for ever' test -e "$T/store/output/$kept.tar.zst"
sweep 'keep_source 2'
is "$(none_there "output/$kept.tar.zst")" '' '… and not longer'
is "$(sites "$kept")" 200 '… while its site stays'

start_davitd
named=$(deployed)
api PUT /aliases/blog -d "{\"id\": \"$named\"}" >/dev/null
fresh=$(deployed)
stop_davitd
long_ago "$named"
sweep
is "$(sites "$kept")" 200 'deployments are kept for ever'
write_conf 'keep_deployments 2'
start_davitd	# it sweeps at its start
gone() { # ID
	[ ! -e "$T/store/manifests/$1.json" ]
}
poll_until 30 gone "$kept"
poll_until 30 settled
is "$(sites "$named") $(sites "$fresh")" '200 200' \
	'… unless they are old: not those that an alias points at, nor young ones'
like "$(sites "$kept")" '^4(04|10)$' '… others are deleted'
ask GET "/status/$kept"
is "$(field '.state + " " + (.expired | tostring)')" 'deployed true' \
	'… and their status tells'
is "$(objects "$kept")" "./deployments/$kept.json" '… only that is left'
stop_davitd

# --- Redis that has gone back to an older state of its own ---

lost=$(deploy "$url")
rcli multi >/dev/null
rcli del "davit:deployment:$lost" build-queue >/dev/null
sweep
is "$(rcli exists "davit:deployment:$lost")" 0 'a young record is let be'
touch -d '3 days ago' "$T/store/deployments/$lost.json"
sweep
start_davitd
is "$(wait_final "$lost" 60)" deployed 'an older one is put back, and built'
own "$T/store"

done_testing
