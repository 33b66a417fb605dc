/* Repository URLs, and every other name from outside. */
#include <stdlib.h>
#include <string.h>

#include "fcgi/resolve.h"
#include "lib/buf.h"
#include "lib/gitname.h"
#include "lib/name.h"
#include "lib/tar.h"
#include "tests/fuzz.h"

/* What is normal stays as it is. */
static void
try_url(const char *text, size_t len)
{
	struct name_url url, again;

	if (name_url(&url, text, len, NULL) == -1)
		return;
	must(name_url(&again, url.text, strlen(url.text), NULL) == 0);
	must(strcmp(url.text, again.text) == 0);
	must(strcmp(url.host, again.host) == 0 && url.port == again.port);
	must(strcmp(url.path, again.path) == 0 && url.path[0] == '/');
	must(url.host[0] != '\0' && url.host[0] != '-');
	must(strpbrk(url.text, "\r\n\t ?#") == NULL);
}

static void
try_names(const char *text)
{
	int64_t n;

	if (name_is_path(text))
		must(name_is_key(text) && text[0] != '/' &&
		    strlen(text) <= PATH_MAX_BYTES);
	if (name_is_ref(text))
		must(text[0] != '-' && strstr(text, "..") == NULL);
	if (name_is_commit(text))
		must(strlen(text) == 40);
	if (name_to_size(text, 1, 1000, &n))
		must(n >= 1 && n <= 1000);
	if (gitname_problem(text) == NULL)
		must(strchr(text, '/') == NULL && strcmp(text, "..") != 0);
	if (gitname_link_problem("a/b", text) == NULL)
		must(tar_link_is_inside("a/b", text));
}

static void
try_host(const char *text)
{
	char id[ID_LENGTH + 1];

	if (resolve_host(text, "davit.test", id))
		must(strlen(id) == ID_LENGTH);
}

static void
try_decoding(char *text)
{
	size_t len = strlen(text);

	if (name_percent_decode(text))
		must(strlen(text) <= len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct buf line = BUF_INIT;

	try_url((const char *)data, size);
	try_names(text);
	try_host(text);
	gitname_clean(&line, text, 100);
	must(line.len <= 100 && name_is_text(buf_str(&line), line.len));
	try_decoding(text);
	buf_clear(&line);
	free(text);
	return 0;
}
