#include "lib/gitmodules.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/mem.h"

/* A value of git-config(1): quotes, escapes, a comment behind it.  Lines that
 * go on in the next are nothing that git writes here. */
static void
take_value(const char *p, struct buf *out)
{
	bool quoted = false;
	size_t kept = 0; /* up to the last byte that is no blank */

	buf_reset(out);
	for (p += strspn(p, " \t"); *p != '\0'; p++) {
		if (*p == '"') {
			quoted = !quoted;
			continue;
		}
		if (!quoted && (*p == '#' || *p == ';'))
			break;
		if (*p == '\\' && p[1] != '\0')
			p++;
		buf_addc(out, *p);
		if (quoted || strchr(" \t\r", *p) == NULL)
			kept = out->len;
	}
	out->len = kept;
	buf_adds(out, "");
}

/* The value where the line sets that key, else NULL. */
static const char *
value_of(const char *line, const char *key)
{
	size_t n = strlen(key);

	if (strncasecmp(line, key, n) != 0)
		return NULL;
	line += n + strspn(line + n, " \t");
	return *line == '=' ? line + 1 : NULL;
}

char *
gitmodules_url(const char *text, size_t len, const char *path)
{
	char *copy = xstrndup(text, len), *rest = copy, *line;
	struct buf url = BUF_INIT, value = BUF_INIT;
	bool inside = false, here = false;

	/* A section may name its url before its path. */
	while ((line = strsep(&rest, "\n")) != NULL) {
		const char *v;

		line += strspn(line, " \t");
		if (line[0] == '[') {
			if (here && url.len > 0)
				break;
			inside = strncasecmp(line, "[submodule", 10) == 0;
			here = false;
			buf_reset(&url);
		} else if (inside && (v = value_of(line, "path")) != NULL) {
			take_value(v, &value);
			here = strcmp(buf_str(&value), path) == 0;
		} else if (inside && (v = value_of(line, "url")) != NULL) {
			take_value(v, &url);
		}
	}
	free(copy);
	buf_clear(&value);
	if (here && url.len > 0 && url.len <= URL_MAX_BYTES)
		return buf_take(&url);
	buf_clear(&url);
	return NULL;
}

char *
gitmodules_resolve(const char *base, const char *url)
{
	const char *root = strstr(base, "://"), *colon = NULL;
	size_t len = strlen(base);

	if (strncmp(url, "./", 2) != 0 && strncmp(url, "../", 3) != 0)
		return xstrdup(url);
	if (root != NULL)
		root = strchr(root + 3, '/');
	else /* user@host:path, where the colon ends as a slash does */
		root = colon = strchr(base, ':');
	if (root == NULL)
		return NULL;
	for (;;) {
		if (strncmp(url, "./", 2) == 0) {
			url += 2;
		} else if (strncmp(url, "../", 3) == 0) {
			url += 3;
			while (len > 0 && base[--len] != '/' &&
			    base + len != colon)
				continue;
			if (base + len < root)
				return NULL;
		} else
			return xasprintf("%.*s%c%s", (int)len, base,
			    base + len == colon ? ':' : '/', url);
	}
}
