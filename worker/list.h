/* Lists of strings that end in NULL; an empty list is NULL itself. */
#ifndef DAVIT_WORKER_LIST_H
#define DAVIT_WORKER_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* Add a copy. */
void list_add(char ***, const char *);
void list_addn(char ***, const char *, size_t len);
void list_addf(char ***, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Add each word of the text. */
void list_add_words(char ***, const char *);

/* Add copies of another's. */
void list_add_list(char ***, char *const *);

size_t list_count(char *const *);
bool list_has(char *const *, const char *);
void list_free(char **);

#endif
