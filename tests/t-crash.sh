#!/bin/bash
# Every point at which a process can die between two effects that others see:
# of a submission, a build's publish, davitd's changes of state.  After each:
# exactly one end, which is true, nothing half-live, nothing left.  Deletions
# are in t-crash-delete.sh.
# shellcheck disable=SC2119,SC2154

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"
# shellcheck source=crash.sh
. "$here/crash.sh"

# A rule that does not come before files: its alias gets a link.
crash_begin '/old /index.html 301'

submitted() { # JSON: an id, or what dies before its time
	local id
	id=$(deploy "$1" 2>/dev/null)
	settle
	[ -z "$id" ] || is_live "$id"
}
fetching() {
	submitted "{\"url\": \"$url\", \"cache\": false}"
}
reusing() {
	submitted "{\"url\": \"$url\"}"
}
# What was submitted is built, with an alias; its source is there already.
building() {
	local id
	id=$(api POST "/deployments/$template/redeploy" | jq -r .id)
	settle
	is_live "$id"
	no_parts
	[ "$(jq -r .id "$T/store/aliases/named.json")" = "$id" ] ||
		echo "the alias is not at $id"
}

every_point 'a submission' submit.fcgi fetching
every_point 'one of a known source' submit.fcgi reusing
every_point 'a build' davit-build building
every_point 'states' davitd building

# --- what dead submissions have left ---

is "$(all_are_true)" '' 'each record tells what is there, and all of it'
stop_davitd
find "$T/store" "$T/scratch" -exec touch -h -d '3 days ago' {} +
runs 'a sweep' "${as_user[@]}" "$T/libexec/davitd" -c "$T/davit.conf" --sweep
start_davitd
settle
is "$(cd "$T/store" && find output dist logs deployments manifests -type f |
	grep -oE '/[a-z0-9]{10}[./]' | tr -d ./ | sort -u)" \
	"$(rcli --raw keys 'davit:deployment:*' | cut -d : -f 3 | sort)" \
	'takes what dead submissions have left'
# Directories that were being removed go by their ctime, which nobody can set:
# test_store has them.
is "$(find "$T/store/tmp" "$T/scratch" -mindepth 1 -maxdepth 1 ! -name .lock \
	! \( -type d -regex '.*/tmp/[a-z0-9]*' \))" '' '… all of it'
is "$(cd "$top_srcdir" && grep -rhoE 'CRASH_POINT\("[^"]*' lib worker fcgi |
	cut -d '"' -f 2 | grep -v "directory's removal" | sort -u |
	comm -13 <(places) -)" '' \
	'somebody has died at each place that the source names'

done_testing
