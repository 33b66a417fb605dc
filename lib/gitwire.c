#include "lib/gitwire_parts.h"

#include <string.h>

#include "lib/address.h"
#include "lib/credentials.h"
#include "lib/err.h"

bool
gitwire_guard(void *arg, const struct sockaddr *sa)
{
	const struct wire *w = arg;

	return address_is_public(sa) || address_is_named(
	    w->options->allow_hosts, w->url.host, w->url.port, sa);
}

int
gitwire_timed_out(const struct wire *w, struct err *e)
{
	return err_set(e, ERR_FETCH_TIMEOUT, "%s does not answer in time",
	    w->url.host);
}

int
gitwire_time_left(const struct wire *w, int most, struct err *e)
{
	int64_t left = w->options->deadline - name_tick_ms();

	if (left <= 0)
		return gitwire_timed_out(w, e);
	return left < most ? (int)left : most;
}

int
gitwire_private_address(const struct wire *w, struct err *e)
{
	return err_set(e, ERR_ADDRESS,
	    "%s:%u has a private address, which allow_hosts does not name",
	    w->url.host, (unsigned int)w->url.port);
}

int
gitwire_no_such_host(const struct wire *w, struct err *e)
{
	return err_set(e, ERR_REPO_NOTFOUND, "no host is named %s",
	    w->url.host);
}

bool
gitwire_has_login(const struct wire *w)
{
	return w->options->user != NULL &&
	    login_fits(w->options->scope, &w->url);
}

int
gitwire_fetch(const struct name_url *url, struct gitproto *proto,
    const struct gitwire_options *options, struct err *e)
{
	struct wire w = { .url = *url, .proto = proto, .options = options };

	if (strcmp(url->scheme, "git") == 0)
		return gitwire_over_git(&w, e);
	if (strcmp(url->scheme, "ssh") == 0)
		return gitwire_over_ssh(&w, e);
	return gitwire_over_http(&w, e);
}
