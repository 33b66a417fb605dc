#include "lib/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

struct net4 {
	uint32_t net;
	int bits;
};

#define NET4(a, b, c, d, bits) \
	{ (uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | \
	    (uint32_t)(d), bits }

/* IANA's special-purpose registry, multicast, class E. */
static const struct net4 special4[] = {
	NET4(0, 0, 0, 0, 8),		/* this host */
	NET4(10, 0, 0, 0, 8),		/* private */
	NET4(100, 64, 0, 0, 10),	/* shared, carriers' NAT */
	NET4(127, 0, 0, 0, 8),		/* loopback */
	NET4(168, 63, 129, 16, 32),	/* Azure's metadata */
	NET4(169, 254, 0, 0, 16),	/* link-local, metadata */
	NET4(172, 16, 0, 0, 12),	/* private */
	NET4(192, 0, 0, 0, 24),		/* protocol assignments */
	NET4(192, 0, 2, 0, 24),		/* documentation */
	NET4(192, 88, 99, 0, 24),	/* 6to4 relays */
	NET4(192, 168, 0, 0, 16),	/* private */
	NET4(198, 18, 0, 0, 15),	/* benchmarks */
	NET4(198, 51, 100, 0, 24),	/* documentation */
	NET4(203, 0, 113, 0, 24),	/* documentation */
	NET4(224, 0, 0, 0, 3),		/* multicast and reserved */
};

struct net6 {
	uint8_t net[16];
	int bits;
};

/* Inside of 2000::/3, which alone is global. */
static const struct net6 special6[] = {
	{ { 0x20, 0x01 }, 23 },			/* protocols, Teredo */
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 },	/* documentation */
	{ { 0x3f, 0xff }, 20 },			/* documentation */
};

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };

static bool
public4(uint32_t address)
{
	for (size_t i = 0; i < sizeof(special4) / sizeof(special4[0]); i++)
		if ((address ^ special4[i].net) >> (32 - special4[i].bits) == 0)
			return false;
	return true;
}

static bool
in_net6(const uint8_t *a, const struct net6 *n)
{
	int bytes = n->bits / 8, rest = n->bits % 8;

	return memcmp(a, n->net, (size_t)bytes) == 0 &&
	    (rest == 0 || (a[bytes] ^ n->net[bytes]) >> (8 - rest) == 0);
}

static uint32_t
word(const uint8_t *a)
{
	return (uint32_t)a[0] << 24 | (uint32_t)a[1] << 16 |
	    (uint32_t)a[2] << 8 | a[3];
}

static bool
public6(const uint8_t *a)
{
	if (memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0)
		return public4(word(a + 12));
	if ((a[0] & 0xe0) != 0x20)
		return false;
	if (a[0] == 0x20 && a[1] == 0x02) /* 6to4 */
		return public4(word(a + 2));
	for (size_t i = 0; i < sizeof(special6) / sizeof(special6[0]); i++)
		if (in_net6(a, &special6[i]))
			return false;
	return true;
}

bool
address_is_public(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		return public4(ntohl(in->sin_addr.s_addr));
	}
	if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const void *)sa;

		return public6(in->sin6_addr.s6_addr);
	}
	return false;
}

/* ---- allow_hosts ---- */

/* The address as text, an IPv4 one in IPv6's clothes as IPv4. */
static bool
address_text(const struct sockaddr *sa, char *out, socklen_t size)
{
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		return inet_ntop(AF_INET, &in->sin_addr, out, size) != NULL;
	}
	if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const void *)sa;
		const uint8_t *a = in->sin6_addr.s6_addr;

		if (memcmp(a, mapped, 12) == 0)
			return inet_ntop(AF_INET, a + 12, out, size) != NULL;
		return inet_ntop(AF_INET6, a, out, size) != NULL;
	}
	return false;
}

/* True if the entry is name, name:port or [name]:port. */
static bool
entry_is(const char *entry, size_t len, const char *name, uint16_t port)
{
	char forms[3][300];

	snprintf(forms[0], sizeof(forms[0]), "%s", name);
	snprintf(forms[1], sizeof(forms[1]), "[%s]:%u", name, port);
	snprintf(forms[2], sizeof(forms[2]), "%s:%u", name, port);
	/* Without brackets, a port after IPv6 could be part of another. */
	for (int i = 0; i < (strchr(name, ':') != NULL ? 2 : 3); i++)
		if (strlen(forms[i]) == len &&
		    strncasecmp(forms[i], entry, len) == 0)
			return true;
	return false;
}

/* IPv6 has many spellings: compare as inet_ntop(3) writes them. */
static bool
entry_is_spelling(const char *entry, size_t len, const char *text)
{
	char copy[INET6_ADDRSTRLEN], normal[INET6_ADDRSTRLEN];
	uint8_t a[16];

	if (len >= sizeof(copy))
		return false;
	memcpy(copy, entry, len);
	copy[len] = '\0';
	return inet_pton(AF_INET6, copy, a) == 1 &&
	    inet_ntop(AF_INET6, a, normal, sizeof(normal)) != NULL &&
	    strcmp(normal, text) == 0;
}

bool
address_is_named(const char *allow, const char *host, uint16_t port,
    const struct sockaddr *sa)
{
	char text[INET6_ADDRSTRLEN] = "";
	size_t len;

	if (!address_text(sa, text, sizeof(text)))
		return false;
	for (; *allow != '\0'; allow += len) {
		allow += strspn(allow, " \t,");
		len = strcspn(allow, " \t,");
		if (len == 0)
			continue;
		if (entry_is(allow, len, host, port) ||
		    entry_is(allow, len, text, port) ||
		    entry_is_spelling(allow, len, text))
			return true;
	}
	return false;
}
