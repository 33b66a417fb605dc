/*
 * A fuzz target: one function that may be given any bytes, and says what must
 * hold of them by must().  libFuzzer calls it where configure was told
 * --enable-fuzzers; else fuzz_main.c does, with the files that it is named.
 */
#ifndef DAVIT_TESTS_FUZZ_H
#define DAVIT_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, with the place, where it does not hold. */
#define must(holds) fuzz_must(holds, #holds, __FILE__, __LINE__)
void fuzz_must(bool holds, const char *what, const char *file, int line);

/* The bytes with a NUL behind them; free() it. */
char *fuzz_text(const uint8_t *data, size_t size);

#endif
