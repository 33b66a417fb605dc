/* What cmocka.h wants before it, in the order in which it wants it. */
#ifndef DAVIT_TESTS_UNIT_H
#define DAVIT_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
