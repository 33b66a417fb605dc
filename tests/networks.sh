# networks.sh - hosts that have a network of their own, to be sourced after
# services.sh.
#
#	can_have_networks	only root may make them, with iproute2
#	begin_networks		a bridge; this machine has $bridge_ip on it
#	make_network HOST N	a namespace that reaches it, from .N
#	cut_network HOST; mend_network HOST
#	on_network HOST COMMAND…	what it starts, and its curl, are there
#
# Files, the engine's socket and processes are those of this machine; 127.0.0.1
# is each host's own.  All are gone with the script.

# shellcheck shell=bash disable=SC2034

# 198.18.N.0/24, of those that are for tests (RFC 2544), by the script's
# process, as their names are (15 bytes at most).
bridge=dvt$$
bridge_ip=198.18.$(($$ % 250)).1
networks=()

can_have_networks() {
	[ "$(id -u)" -eq 0 ] && command -v ip >/dev/null
}

begin_networks() {
	trap end_networks EXIT
	ip link add "$bridge" type bridge &&
		ip address add "$bridge_ip/24" dev "$bridge" &&
		ip link set "$bridge" up
}

make_network() { # HOST N
	local net=$bridge$1
	networks+=("$net")
	ip netns add "$net" &&
		ip link add "$net" type veth peer name eth0 netns "$net" &&
		ip link set "$net" master "$bridge" up &&
		ip -n "$net" address add "${bridge_ip%.*}.$2/24" dev eth0 &&
		ip -n "$net" link set eth0 up && ip -n "$net" link set lo up
}

cut_network() { # HOST
	ip link set "$bridge$1" down
}

mend_network() { # HOST
	ip link set "$bridge$1" up
}

# Shell functions too: as_user and curl are theirs meanwhile.
on_network() { # HOST COMMAND…
	local there=(ip netns exec "$bridge$1")
	local as_user=("${there[@]}" "${as_user[@]}")
	curl() { "${there[@]}" curl "$@"; }
	"${@:2}"
	local rc=$?
	unset -f curl
	return $rc
}

end_networks() {
	local net
	services_end
	for net in "${networks[@]}"; do
		ip netns del "$net" 2>/dev/null
		ip link del "$net" 2>/dev/null
	done
	ip link del "$bridge" 2>/dev/null
}
