/*
 * Log lines on stderr: mod_fcgid and lighttpd take them into their error log,
 * systemd into its journal.  One line is "program[scope]: level: message".
 * Control bytes in it are escaped.  errno is left as it was.  Only programs
 * log; rooms of lib/ fill a struct err.
 */
#ifndef DAVIT_LIB_LOG_H
#define DAVIT_LIB_LOG_H

enum log_level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR };

/* Name the program; the string must stay.  Call it first thing in main. */
void log_init(const char *program);

/* Name what the following lines are about, such as a deployment's id; copied.
 * NULL: nothing in particular. */
void log_scope(const char *scope);

/* Also print debug lines.  Off unless DAVIT_DEBUG=1 is in the environment. */
void log_verbose(int on);

/* Give lines to this function instead of stderr; NULL: stderr again. */
void log_handler(void (*)(enum log_level, const char *line));

void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
