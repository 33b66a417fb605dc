#!/bin/bash
# Every point at which a process can die while a deployment is deleted: it is
# gone, or it is there, whole, and everybody says so.
# shellcheck disable=SC2119,SC2154

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"
# shellcheck source=crash.sh
. "$here/crash.sh"

crash_begin '/old /index.html 301!'
live=${live/ output/ manifests/ID.rules output}
# A deployment like that one, without its build.
count=0
victim() { # $id
	local file
	count=$((count + 1))
	id=$(printf 'victim%04d' $count)
	mkdir "$T/store/dist/$id"
	for file in ${live//ID/$template} logs/$template.times; do
		sed "s/$template/$id/g" "$T/store/$file" \
			>"$T/store/${file//$template/$id}"
	done
	own "$T/store"
	rcli eval "redis.call('COPY', KEYS[1], KEYS[2])
		redis.call('HSET', KEYS[2], 'id', ARGV[1])
		redis.call('HSET', KEYS[2], 'deleted', 0)
		redis.call('HDEL', KEYS[2], 'alias')
		redis.call('ZADD', 'davit:deployments', 1, ARGV[1])" 2 \
		"davit:deployment:$template" "davit:deployment:$id" "$id" \
		>/dev/null
}
# davitd looks for what is to be removed when it starts, and then now and then.
asking() {
	local accepted
	kill_davitd
	victim
	accepted=$(api DELETE "/deployments/$id" 2>/dev/null |
		jq -r .success 2>/dev/null)
	settle
	if [ "$accepted" = true ] || [ "$(field "$id" deleted)" != 0 ]; then
		is_deleted "$id"
	else
		is_live "$id"
	fi
}
removing() {
	kill_davitd
	victim
	mv "$DAVIT_CRASH" "$DAVIT_CRASH.later"
	api DELETE "/deployments/$id" >/dev/null || echo 'it is refused'
	mv "$DAVIT_CRASH.later" "$DAVIT_CRASH"
	settle
	is_deleted "$id"
}

every_point 'a deletion' api.fcgi asking
every_point 'a deletion' davitd removing
is "$(all_are_true)" '' 'each record tells what is there, and all of it'
like "$(places | xargs -d '\n')" "a directory's removal.*in a directory's" \
	'somebody has died in the midst of a removal'

done_testing
