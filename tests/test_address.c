#include "tests/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/address.h"

/* The address that text spells. */
static const struct sockaddr *
address(const char *text)
{
	static union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} a;

	memset(&a, 0, sizeof(a));
	if (inet_pton(AF_INET, text, &a.v4.sin_addr) == 1)
		a.v4.sin_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &a.v6.sin6_addr) == 1)
		a.v6.sin6_family = AF_INET6;
	else
		fail_msg("no address: %s", text);
	return &a.any;
}

static void
private_addresses_are_known(void **state)
{
	static const char *const private[] = { "0.0.0.0", "0.1.2.3",
		"10.0.0.1", "10.255.255.255", "100.64.0.0", "100.127.255.255",
		"127.0.0.1", "127.255.255.255", "168.63.129.16",
		"169.254.169.254", "172.16.0.0", "172.31.255.255",
		"192.0.0.192", "192.0.2.1", "192.168.0.1", "198.18.0.1",
		"198.19.255.255", "203.0.113.9", "224.0.0.1", "239.1.1.1",
		"240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1",
		"::ffff:127.0.0.1", "::ffff:10.1.2.3", "::ffff:169.254.1.1",
		"64:ff9b::10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1.1.1.1",
		"100::1", "2001::1", "2001:db8::1", "2002:0a00:0001::1",
		"2002:7f00:1::", "3fff::1", "fc00::1", "fd00:ec2::254",
		"fe80::1", "fec0::1", "ff02::1", "4000::1" };

	for (size_t i = 0; i < sizeof(private) / sizeof(private[0]); i++)
		if (address_is_public(address(private[i])))
			fail_msg("%s is private", private[i]);
}

static void
public_addresses_are_known(void **state)
{
	static const char *const public[] = { "1.1.1.1", "9.255.255.255",
		"11.0.0.0", "100.63.255.255", "100.128.0.0", "126.0.0.1",
		"128.0.0.1", "140.82.121.4", "168.63.129.17", "169.253.0.1",
		"172.15.255.255", "172.32.0.0", "192.0.1.1", "192.167.0.1",
		"192.169.0.1", "198.17.0.1", "198.20.0.1", "223.255.255.255",
		"2606:4700::1111", "2a00:1450::1", "2001:200::1",
		"::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:0101:0101::1" };

	for (size_t i = 0; i < sizeof(public) / sizeof(public[0]); i++)
		if (!address_is_public(address(public[i])))
			fail_msg("%s is public", public[i]);
}

static void
other_families_are_refused(void **state)
{
	const struct sockaddr local = { .sa_family = AF_UNIX };

	assert_false(address_is_public(&local));
	assert_false(address_is_named("x", "x", 80, &local));
}

static void
allowed_hosts_are_named_in_several_ways(void **state)
{
	static const struct {
		const char *allow, *host, *address;
		bool named;
	} cases[] = {
		{ "git.lan", "git.lan", "10.0.0.1", true },
		{ "GIT.lan", "git.lan", "10.0.0.1", true },
		{ "x git.lan:80  y", "git.lan", "10.0.0.1", true },
		{ "git.lan:8080", "git.lan", "10.0.0.1", false },
		{ "it.lan", "git.lan", "10.0.0.1", false },
		{ "git.lan.evil", "git.lan", "10.0.0.1", false },
		{ "10.0.0.1", "git.lan", "10.0.0.1", true },
		{ "10.0.0.1:80", "git.lan", "10.0.0.1", true },
		{ "10.0.0.1:8", "git.lan", "10.0.0.1", false },
		{ "10.0.0.1", "git.lan", "10.0.0.11", false },
		{ "10.0.0.11", "git.lan", "10.0.0.1", false },
		{ "10.0.0.1", "git.lan", "::ffff:10.0.0.1", true },
		{ "::1", "localhost", "::1", true },
		{ "0:0:0:0:0:0:0:1", "localhost", "::1", true },
		{ "[::1]:80", "localhost", "::1", true },
		{ "[::1]:81", "localhost", "::1", false },
		{ "::1:80", "localhost", "::1", false },
		{ "", "localhost", "::1", false },
		{ "   ", "localhost", "::1", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (address_is_named(cases[i].allow, cases[i].host, 80,
			address(cases[i].address)) != cases[i].named)
			fail_msg("'%s' and %s", cases[i].allow,
			    cases[i].address);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(private_addresses_are_known),
		cmocka_unit_test(public_addresses_are_known),
		cmocka_unit_test(other_families_are_refused),
		cmocka_unit_test(allowed_hosts_are_named_in_several_ways),
	};

	return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
