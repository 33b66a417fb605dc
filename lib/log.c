#include "lib/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One write(2) of at most this many bytes keeps lines of several processes
 * apart on a pipe (PIPE_BUF). */
#define LINE_MAX_BYTES 4000

static const char *program = "davit";
static char scope[64];
static int verbose = -1;
static void (*handler)(enum log_level, const char *);

void
log_init(const char *name)
{
	program = name;
}

void
log_scope(const char *name)
{
	snprintf(scope, sizeof(scope), "%s", name == NULL ? "" : name);
}

void
log_verbose(int on)
{
	verbose = on;
}

void
log_handler(void (*fn)(enum log_level, const char *))
{
	handler = fn;
}

/* Copy text with control bytes as \n or \xHH, so that no input forges a
 * line. */
static void
escape(char *out, size_t size, const char *text)
{
	size_t n = 0;

	for (; *text != '\0' && n + 5 < size; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '\n')
			n += (size_t)snprintf(out + n, size - n, "\\n");
		else if (c < 0x20 || c == 0x7f)
			n += (size_t)snprintf(out + n, size - n, "\\x%02x", c);
		else
			out[n++] = (char)c;
	}
	out[n] = '\0';
}

static void
emit(enum log_level level, const char *line)
{
	char whole[LINE_MAX_BYTES];
	int n;

	if (handler != NULL) {
		handler(level, line);
		return;
	}
	n = snprintf(whole, sizeof(whole), "%s\n", line);
	if (n >= (int)sizeof(whole)) {
		n = sizeof(whole) - 1;
		whole[n - 1] = '\n';
	}
	if (write(STDERR_FILENO, whole, (size_t)n) == -1)
		return; /* nobody left to tell */
}

static void __attribute__((format(printf, 2, 0)))
log_line(enum log_level level, const char *fmt, va_list ap)
{
	static const char *const names[] = { "debug", "info", "warning",
		"error" };
	char text[LINE_MAX_BYTES / 2], safe[LINE_MAX_BYTES - 200],
	    line[LINE_MAX_BYTES];
	int saved = errno;

	if (verbose == -1) {
		const char *env = getenv("DAVIT_DEBUG");

		verbose = env != NULL && strcmp(env, "1") == 0;
	}
	if (level > LEVEL_DEBUG || verbose) {
		vsnprintf(text, sizeof(text), fmt, ap);
		escape(safe, sizeof(safe), text);
		if (scope[0] != '\0')
			snprintf(line, sizeof(line), "%s[%s]: %s: %s", program,
			    scope, names[level], safe);
		else
			snprintf(line, sizeof(line), "%s: %s: %s", program,
			    names[level], safe);
		emit(level, line);
	}
	errno = saved;
}

#define LOG_FUNCTION(function, level) \
	void function(const char *fmt, ...) \
	{ \
		va_list ap; \
\
		va_start(ap, fmt); \
		log_line(level, fmt, ap); \
		va_end(ap); \
	}

LOG_FUNCTION(log_debug, LEVEL_DEBUG)
LOG_FUNCTION(log_info, LEVEL_INFO)
LOG_FUNCTION(log_warn, LEVEL_WARN)
LOG_FUNCTION(log_error, LEVEL_ERROR)
