#include "worker/list.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

size_t
list_count(char *const *list)
{
	size_t n = 0;

	while (list != NULL && list[n] != NULL)
		n++;
	return n;
}

/* Takes the string over. */
static void
append(char ***list, char *s)
{
	size_t n = list_count(*list);

	*list = xreallocarray(*list, n + 2, sizeof(**list));
	(*list)[n] = s;
	(*list)[n + 1] = NULL;
}

void
list_add(char ***list, const char *s)
{
	append(list, xstrdup(s));
}

void
list_addn(char ***list, const char *s, size_t len)
{
	append(list, xstrndup(s, len));
}

void
list_addf(char ***list, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) == -1)
		s = xstrdup("?");
	va_end(ap);
	append(list, s);
}

void
list_add_words(char ***list, const char *text)
{
	while (*(text += strspn(text, " \t")) != '\0') {
		size_t len = strcspn(text, " \t");

		list_addn(list, text, len);
		text += len;
	}
}

void
list_add_list(char ***list, char *const *other)
{
	for (; other != NULL && *other != NULL; other++)
		list_add(list, *other);
}

bool
list_has(char *const *list, const char *s)
{
	for (; list != NULL && *list != NULL; list++)
		if (strcmp(*list, s) == 0)
			return true;
	return false;
}

void
list_free(char **list)
{
	for (char **p = list; p != NULL && *p != NULL; p++)
		free(*p);
	free(list);
}
