/* What davit-fetch has to say: lines of JSON to the program that reads
 * FETCH_RESULT_FD, words on stderr to a person. */
#ifndef DAVIT_WORKER_FETCH_TELL_H
#define DAVIT_WORKER_FETCH_TELL_H

struct err;
struct fetch_settings;
struct gitproto;
struct source;
struct tarball_report;

/* Gives the exit status. */
int fetch_tell_failure(const struct fetch_settings *, const struct err *);

/* What is coming, before the stream. */
int fetch_tell_report(const struct fetch_settings *, const struct source *,
    struct err *);
int fetch_tell_archive(const struct fetch_settings *,
    const struct tarball_report *, struct err *);

/* Which commit it would be: by hand, as a line on stdout. */
int fetch_tell_commit(const struct fetch_settings *, const struct gitproto *,
    struct err *);

/* The stream is whole. */
int fetch_tell_success(const struct fetch_settings *, struct err *);

/* From now on the process ends at its deadline and says so, whatever it is
 * doing. */
void fetch_set_deadline(const struct fetch_settings *);

#endif
