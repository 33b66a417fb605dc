#include "lib/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	const char *hint;
} codes[] = {
	[ERR_NONE] = { "none", "" },
#define ERR_ROW(code, name, hint) [code] = { name, hint },
	ERR_CODES(ERR_ROW)
#undef ERR_ROW
};

static void __attribute__((format(printf, 2, 0)))
set_message(struct err *e, const char *fmt, va_list ap)
{
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
}

int
err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	if (e == NULL)
		return -1;
	e->code = code;
	e->sys = 0;
	va_start(ap, fmt);
	set_message(e, fmt, ap);
	va_end(ap);
	return -1;
}

int
err_errno(struct err *e, const char *fmt, ...)
{
	int sys = errno;
	va_list ap;
	size_t n;

	if (e == NULL)
		return -1;
	e->code = ERR_INTERNAL;
	e->sys = sys;
	va_start(ap, fmt);
	set_message(e, fmt, ap);
	va_end(ap);
	n = strlen(e->msg);
	snprintf(e->msg + n, sizeof(e->msg) - n, ": %s", strerror(sys));
	return -1;
}

int
err_within(struct err *e, const char *fmt, ...)
{
	char inner[ERR_MSG_SIZE];
	va_list ap;
	size_t n;

	if (e == NULL)
		return -1;
	memcpy(inner, e->msg, sizeof(inner));
	va_start(ap, fmt);
	set_message(e, fmt, ap);
	va_end(ap);
	n = strlen(e->msg);
	snprintf(e->msg + n, sizeof(e->msg) - n, ": %s", inner);
	return -1;
}

int
err_recode(struct err *e, enum err_code code)
{
	if (e != NULL)
		e->code = code;
	return -1;
}

const char *
err_name(enum err_code code)
{
	return (unsigned int)code < ERR_NCODES ? codes[code].name
					       : codes[ERR_INTERNAL].name;
}

const char *
err_hint(enum err_code code)
{
	return (unsigned int)code < ERR_NCODES ? codes[code].hint
					       : codes[ERR_INTERNAL].hint;
}

enum err_code
err_by_name(const char *name)
{
	for (int i = ERR_NONE + 1; i < ERR_NCODES; i++)
		if (strcmp(codes[i].name, name) == 0)
			return (enum err_code)i;
	return ERR_NONE;
}
