#include "fcgi/page.h"

#include <stddef.h>

#include "fcgi/reply.h"
#include "lib/buf.h"

#define RETRY_AFTER 5

static const struct page {
	int status;
	const char *title;
	const char *text;
} pages[] = {
	{ 400, "Bad request", "This address is not written as addresses are." },
	{ 404, "Nothing here",
	    "There is no page at this address. It may have moved, or the "
	    "site may be gone." },
	{ 405, "Only for reading", "Pages here can be read, and that is all." },
	{ 410, "Gone", "What was here was taken away for good." },
	{ 416, "No such part", "The file has no such part." },
	{ 451, "Not to be shown",
	    "This page is withheld for legal reasons." },
	{ 503, "Just a moment",
	    "This site cannot be shown right now. Try again shortly." },
	/* anything else, and last */
	{ 500, "Something broke", "This site cannot be shown." },
};

static const char head[] =
    "<!doctype html>\n"
    "<html lang=\"en\">\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<meta name=\"robots\" content=\"noindex\">\n"
    "<style>\n"
    ":root { color-scheme: light dark }\n"
    "body { margin: 0; min-height: 100vh; display: grid;\n"
    "  place-items: center; font: 18px/1.6 system-ui, sans-serif;\n"
    "  color: #1d2733; background: #f4f6f8 }\n"
    "main { max-width: 26em; padding: 2em }\n"
    "p { margin: 0; color: #5a6775 }\n"
    "h1 { margin: 0 0 .3em; font-size: 2em; line-height: 1.2 }\n"
    "b { font: 14px ui-monospace, monospace; color: #1f7a8c }\n"
    "@media (prefers-color-scheme: dark) {\n"
    "  body { color: #e6ebf0; background: #12171d }\n"
    "  p { color: #9aa7b4 }\n"
    "  b { color: #5fbccd }\n"
    "}\n"
    "</style>\n";

void
page_reply(struct reply *reply, int status)
{
	const struct page *p = pages;
	struct buf html = BUF_INIT;

	while (p->status != status && p->status != 500)
		p++;
	buf_adds(&html, head);
	buf_addf(&html,
	    "<title>%s</title>\n"
	    "<main><b>%d</b><h1>%s</h1><p>%s</p></main>\n",
	    p->title, p->status, p->title, p->text);
	if (p->status == 503)
		reply_header(reply, "Retry-After", "%d", RETRY_AFTER);
	reply_header(reply, "Cache-Control", "no-store");
	reply_body(reply, p->status, "text/html; charset=utf-8", html.data,
	    html.len);
	buf_clear(&html);
}
