/* In place of libFuzzer: gives the target each file that is named. */
#include <limits.h>
#include <stdio.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "tests/fuzz.h"

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct buf text = BUF_INIT;
		struct err e;

		if (fdio_slurp_file(argv[i], INT_MAX, &text, &e) == -1) {
			fprintf(stderr, "%s\n", e.msg);
			return 1;
		}
		LLVMFuzzerTestOneInput((const uint8_t *)buf_str(&text),
		    text.len);
		buf_clear(&text);
	}
	return 0;
}
