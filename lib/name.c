#include "lib/name_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"

static const char id_letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

/* A segment of a path: what file systems take. */
#define SEGMENT_MAX_BYTES 255
#define ENV_NAME_MAX_BYTES 128

void
name_new_id(char id[ID_LENGTH + 1])
{
	const unsigned int letters = sizeof(id_letters) - 1;
	size_t n = 0;

	while (n < ID_LENGTH) {
		unsigned char c;

		if (getrandom(&c, 1, 0) != 1) {
			if (errno == EINTR)
				continue;
			log_error("getrandom: %s", strerror(errno));
			_exit(71);
		}
		if (c < 256 / letters * letters) /* no letter more likely */
			id[n++] = id_letters[c % letters];
	}
	id[ID_LENGTH] = '\0';
}

bool
name_is_id(const char *text, size_t len, char id[ID_LENGTH + 1])
{
	char folded[ID_LENGTH + 1];

	if (len != ID_LENGTH)
		return false;
	for (size_t i = 0; i < ID_LENGTH; i++) {
		folded[i] = lower(text[i]);
		if (folded[i] == '\0' || strchr(id_letters, folded[i]) == NULL)
			return false;
	}
	folded[ID_LENGTH] = '\0';
	memcpy(id, folded, sizeof(folded));
	return true;
}

bool
name_to_number(const char *text, int64_t min, int64_t max, int64_t *out)
{
	char *end;
	long long n;

	if ((text[0] < '0' || text[0] > '9') && text[0] != '-')
		return false;
	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || n < min || n > max)
		return false;
	*out = n;
	return true;
}

bool
name_to_size(const char *text, int64_t min, int64_t max, int64_t *out)
{
	static const char units[] = "KMG";
	char digits[24];
	const char *unit;
	size_t len = strlen(text);
	int64_t n, factor = 1;

	if (len == 0 || len >= sizeof(digits))
		return false;
	memcpy(digits, text, len + 1);
	if ((unit = strchr(units, text[len - 1])) != NULL) {
		factor <<= 10 * (unit - units + 1);
		digits[len - 1] = '\0';
	}
	if (!name_to_number(digits, 0, INT64_MAX / factor, &n))
		return false;
	if (n * factor < min || n * factor > max)
		return false;
	*out = n * factor;
	return true;
}

/* ---- git's names ---- */

static bool
is_ref_segment(const char *s, size_t len)
{
	return len > 0 && s[0] != '.' &&
	    (len < 5 || memcmp(s + len - 5, ".lock", 5) != 0);
}

bool
name_is_ref(const char *ref)
{
	size_t len = strlen(ref);

	if (len == 0 || len > REF_MAX_BYTES || ref[0] == '-' ||
	    ref[len - 1] == '.' || strcmp(ref, "@") == 0 ||
	    strstr(ref, "..") != NULL || strstr(ref, "@{") != NULL)
		return false;
	for (const char *p = ref; *p != '\0'; p++)
		if (is_control((unsigned char)*p) || strchr(" ~^:?*[\\", *p))
			return false;
	for (const char *p = ref;;) {
		size_t n = strcspn(p, "/");

		if (!is_ref_segment(p, n))
			return false;
		if (p[n] == '\0')
			return true;
		p += n + 1;
	}
}

bool
name_is_commit(const char *s)
{
	return strlen(s) == 40 && strspn(s, "0123456789abcdef") == 40;
}

/* ---- text, paths, keys ---- */

size_t
name_utf8_length(const unsigned char *s, size_t len)
{
	unsigned char lo = 0x80, hi = 0xbf;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	n = s[0] >= 0xc2 && s[0] <= 0xdf ? 2
	    : (s[0] & 0xf0) == 0xe0	 ? 3
	    : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
					   : 0;
	if (n == 0 || n > len)
		return 0;
	if (s[0] == 0xe0)
		lo = 0xa0; /* else over-long */
	else if (s[0] == 0xed)
		hi = 0x9f; /* else a surrogate */
	else if (s[0] == 0xf0)
		lo = 0x90;
	else if (s[0] == 0xf4)
		hi = 0x8f;
	if (s[1] < lo || s[1] > hi)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

bool
name_is_text(const char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = name_utf8_length((const unsigned char *)text + i,
		    len - i);

		if (n == 0 ||
		    (is_control((unsigned char)text[i]) && text[i] != '\t' &&
			text[i] != '\n'))
			return false;
		i += n;
	}
	return true;
}

static bool
is_relative(const char *path, size_t max)
{
	size_t len = strlen(path), depth = 0;

	if (len == 0 || len > max || strchr(path, '\\') != NULL ||
	    !name_is_text(path, len) || strpbrk(path, "\t\n") != NULL)
		return false;
	for (const char *p = path;;) {
		size_t n = strcspn(p, "/");

		if (n == 0 || n > SEGMENT_MAX_BYTES ||
		    ++depth > PATH_MAX_DEPTH || (n == 1 && p[0] == '.') ||
		    (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		if (p[n] == '\0')
			return true;
		p += n + 1;
	}
}

bool
name_is_path(const char *path)
{
	return is_relative(path, PATH_MAX_BYTES);
}

bool
name_is_key(const char *key)
{
	return is_relative(key, KEY_MAX_BYTES);
}

bool
name_is_env(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > ENV_NAME_MAX_BYTES ||
	    (name[0] >= '0' && name[0] <= '9'))
		return false;
	return strspn(name,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		   "0123456789_") == len;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
name_percent_decode(char *s)
{
	char *out = s;

	while (*s != '\0') {
		if (*s != '%') {
			*out++ = *s++;
			continue;
		}
		int high = hex_digit(s[1]);
		int low = high == -1 ? -1 : hex_digit(s[2]);

		if (low == -1 || (high == 0 && low == 0))
			return false;
		*out++ = (char)(high * 16 + low);
		s += 3;
	}
	*out = '\0';
	return true;
}

/* ---- time ---- */

static int64_t
clock_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t
name_now_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

int64_t
name_tick_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}
