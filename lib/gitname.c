#include "lib/gitname.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "lib/buf.h"
#include "lib/name.h"
#include "lib/tar.h"

/* The length of a code point that HFS+ ignores in names, or 0: U+200C to
 * U+200F, U+202A to U+202E, U+206A to U+206F, U+FEFF. */
static size_t
hfs_ignores(const char *name)
{
	const unsigned char *s = (const unsigned char *)name;

	if (s[0] == 0xe2 && s[1] == 0x80)
		return (s[2] >= 0x8c && s[2] <= 0x8f) ||
		    (s[2] >= 0xaa && s[2] <= 0xae) ? 3 : 0;
	if (s[0] == 0xe2 && s[1] == 0x81)
		return s[2] >= 0xaa && s[2] <= 0xaf ? 3 : 0;
	return s[0] == 0xef && s[1] == 0xbb && s[2] == 0xbf ? 3 : 0;
}

/* True if some file system takes the name for ".git": in other case, with
 * code points that HFS+ ignores, with the stream (":"), dots or blanks that
 * NTFS drops at the end, or by its short name there. */
static bool
is_git_directory(const char *name)
{
	char plain[8];
	size_t n = 0, skip;

	while (*name != '\0' && *name != ':') {
		if ((skip = hfs_ignores(name)) > 0) {
			name += skip;
			continue;
		}
		if (n == sizeof(plain) - 1) {
			if (*name != '.' && *name != ' ')
				return false;
		} else {
			plain[n++] = *name;
		}
		name++;
	}
	while (n > 0 && (plain[n - 1] == '.' || plain[n - 1] == ' '))
		n--;
	plain[n] = '\0';
	return strcasecmp(plain, ".git") == 0 ||
	    strcasecmp(plain, "git~1") == 0;
}

const char *
gitname_problem(const char *name)
{
	if (is_git_directory(name))
		return "is a name of git's own directory";
	if (strchr(name, '/') != NULL)
		return "has a slash inside one name";
	if (strcmp(name, "..") == 0 || strcmp(name, ".") == 0)
		return "would leave its directory";
	if (!name_is_path(name))
		return "has a name that is not plain UTF-8 text, or too long";
	return NULL;
}

const char *
gitname_link_problem(const char *path, const char *target)
{
	bool named = false;

	if (!name_is_text(target, strlen(target)))
		return "is a link whose target is not plain UTF-8 text";
	if (!tar_link_is_inside(path, target))
		return "is a link that leaves the repository";
	for (const char *p = target; *p != '\0';) {
		size_t n = strcspn(p, "/");
		bool up = n == 2 && p[0] == '.' && p[1] == '.';

		if (up && named)
			return "is a link with '..' after a name";
		named = named || (!up && n > 0 && !(n == 1 && p[0] == '.'));
		p += n + (p[n] == '/');
	}
	return NULL;
}

/* The length of the character at s, 0 where it is none that may be shown. */
static size_t
character(const char *s)
{
	for (size_t n = 1; n <= 4 && s[n - 1] != '\0'; n++)
		if (name_is_text(s, n))
			return *s == '\t' || *s == '\n' ? 0 : n;
	return 0;
}

void
gitname_clean(struct buf *out, const char *text, size_t max)
{
	size_t used = 0, n;

	for (; *text != '\0' && used < max; used += n) {
		if ((n = character(text)) == 0) {
			buf_addc(out, '?');
			n = 1;
		} else if (used + n > max) {
			return;
		} else {
			buf_add(out, text, n);
		}
		text += n;
	}
}
