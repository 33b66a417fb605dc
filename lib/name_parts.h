/* For lib/name's parts alone. */
#ifndef DAVIT_LIB_NAME_PARTS_H
#define DAVIT_LIB_NAME_PARTS_H

#include "lib/name.h"

static inline bool
is_control(unsigned char c)
{
	return c < 0x20 || c == 0x7f;
}

static inline char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

#endif
