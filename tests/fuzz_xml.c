/* An S3 server's answers. */
#include <stdlib.h>

#include "lib/xml.h"
#include "tests/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xml in = { (const char *)data, size }, rest = in, holds;

	xml_is_root(in, "ListBucketResult");
	free(xml_value(in, "Code"));
	while (xml_next(&rest, "Contents", &holds)) {
		must(holds.text >= in.text &&
		    holds.text + holds.len <= in.text + in.len);
		must(rest.len < in.len);
		free(xml_value(holds, "Key"));
	}
	return 0;
}
