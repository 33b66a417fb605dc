/* davit.conf. */
#include <stdlib.h>
#include <string.h>

#include "lib/conf.h"
#include "lib/err.h"
#include "tests/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *site;
	struct conf *c;
	struct err e;

	c = conf_parse(text, "davit.conf", &e);
	if (c != NULL) {
		must(c->builds >= 1 && c->builds <= 64);
		must(c->build_cpus >= 100 && c->build_cpus <= 256000);
		must(c->build_disk < c->build_memory);
		site = conf_site_url(c, "abcdefghij");
		must(strncmp(site, "http", 4) == 0);
		free(site);
	} else
		must(strncmp(e.msg, "davit.conf:", 11) == 0);
	conf_free(c);
	free(text);
	return 0;
}
