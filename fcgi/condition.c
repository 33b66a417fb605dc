#include "fcgi/condition.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/name.h"

void
condition_etag(char etag[CONDITION_ETAG_SIZE], const char *sha256)
{
	snprintf(etag, CONDITION_ETAG_SIZE, "\"%.32s\"", sha256);
}

void
condition_etag_of(char etag[CONDITION_ETAG_SIZE], const void *data, size_t len)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	char hex[2 * SHA256_DIGEST_LENGTH + 1];

	SHA256(data, len, digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	condition_etag(etag, hex);
}

void
condition_etag_form(char etag[CONDITION_ETAG_SIZE], const char *coding)
{
	size_t len = strlen(etag) - 1; /* without the closing quote */

	snprintf(etag + len, CONDITION_ETAG_SIZE - len, "-%s\"", coding);
}

/* "; q=0", with any number of further zeroes. */
static bool
is_refused(const char *rest)
{
	rest += strspn(rest, " \t");
	if (*rest++ != ';')
		return false;
	rest += strspn(rest, " \t");
	if (strncasecmp(rest, "q=0", 3) != 0)
		return false;
	rest += 3;
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0");
	rest += strspn(rest, " \t");
	return *rest == '\0' || *rest == ',';
}

bool
condition_takes(const char *accept, const char *coding)
{
	size_t wanted = strlen(coding);

	while (accept != NULL && *accept != '\0') {
		size_t len;

		accept += strspn(accept, ", \t");
		len = strcspn(accept, ",; \t");
		if (len == wanted && strncasecmp(accept, coding, len) == 0)
			return !is_refused(accept + len);
		accept += strcspn(accept, ",");
	}
	return false;
}

/* One entry of the list against etag.  Apache's mod_deflate, for one, puts
 * "-gzip" in front of the closing quote and gets it back: that is ours too. */
static bool
is_same(const char *entry, size_t len, const char *etag)
{
	static const char gzip[] = "-gzip\"";
	size_t bare = strlen(etag) - 1; /* without the closing quote */

	if (len == 1 && entry[0] == '*')
		return true;
	if (len > 2 && strncmp(entry, "W/", 2) == 0) {
		entry += 2;
		len -= 2;
	}
	if (len <= bare || strncmp(entry, etag, bare) != 0)
		return false;
	entry += bare;
	len -= bare;
	return (len == 1 && entry[0] == '"') ||
	    (len == sizeof(gzip) - 1 && strncmp(entry, gzip, len) == 0);
}

bool
condition_has(const char *list, const char *etag)
{
	while (list != NULL && *list != '\0') {
		size_t len;

		list += strspn(list, ", \t");
		len = strcspn(list, ", \t");
		if (len > 0 && is_same(list, len, etag))
			return true;
		list += len;
	}
	return false;
}

/* "123" alone; false for an empty one, signs, blanks and overflow. */
static bool
digits(const char *text, size_t len, int64_t *out)
{
	char number[20];

	if (len == 0 || len >= sizeof(number) ||
	    strspn(text, "0123456789") < len)
		return false;
	memcpy(number, text, len);
	number[len] = '\0';
	return name_to_number(number, 0, INT64_MAX, out);
}

enum condition_range
condition_range(const char *range, const char *if_range, const char *etag,
    int64_t size, int64_t *from, int64_t *to)
{
	const char *dash;
	int64_t first = 0, last = 0;
	bool has_first, has_last;

	if (range == NULL || strncasecmp(range, "bytes=", 6) != 0 ||
	    (if_range != NULL && strcmp(if_range, etag) != 0))
		return RANGE_ALL;
	range += 6;
	if ((dash = strchr(range, '-')) == NULL)
		return RANGE_ALL;
	has_first = digits(range, (size_t)(dash - range), &first);
	has_last = digits(dash + 1, strlen(dash + 1), &last);
	if ((!has_first && dash != range) || (!has_last && dash[1] != '\0') ||
	    (!has_first && !has_last) ||
	    (has_first && has_last && last < first))
		return RANGE_ALL;
	if (!has_first) { /* the last so many bytes */
		first = last > size ? 0 : size - last;
		has_last = false;
	}
	if (first >= size)
		return RANGE_BEYOND;
	*from = first;
	*to = has_last && last < size - 1 ? last + 1 : size;
	return RANGE_PART;
}
