#include "tests/unit.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/gitproto.h"
#include "lib/mem.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "cccccccccccccccccccccccccccccccccccccccc"

/* A conversation under test, and what its sink got. */
struct talk {
	struct gitproto *p;
	struct buf pack, asked;
	struct err e;
	bool stingy;	/* the sink refuses */
};

static int
sink(void *arg, const void *data, size_t len, struct err *e)
{
	struct talk *t = arg;

	if (t->stingy)
		return err_set(e, ERR_REPO_TOOBIG, "enough");
	buf_add(&t->pack, data, len);
	return 0;
}

static struct talk *
talk_new(const char *ref)
{
	struct talk *t = xcalloc(1, sizeof(*t));

	t->p = gitproto_new(ref, sink, t);
	return t;
}

static void
talk_free(struct talk *t)
{
	gitproto_free(t->p);
	buf_clear(&t->pack);
	buf_clear(&t->asked);
	free(t);
}

/* One packet: its length is put in front. */
static void
pkt_bytes(struct buf *b, const char *data, size_t len)
{
	buf_addf(b, "%04zx", len + 4);
	buf_add(b, data, len);
}

/* Packets from lines; "0000" and "0001" stand for themselves.  Feed them in
 * pieces of step bytes. */
static int
say_in(struct talk *t, size_t step, const char *const *lines)
{
	struct buf b = BUF_INIT;
	int rc = 0;

	for (; *lines != NULL; lines++)
		if (strcmp(*lines, "0000") == 0 || strcmp(*lines, "0001") == 0)
			buf_adds(&b, *lines);
		else
			pkt_bytes(&b, *lines, strlen(*lines));
	for (size_t i = 0; i < b.len && rc == 0; i += step)
		rc = gitproto_feed(t->p, b.data + i,
		    b.len - i < step ? b.len - i : step, &t->e);
	buf_clear(&b);
	return rc;
}

#define SAY(t, ...) \
	say_in(t, 1, (const char *const[]){ __VA_ARGS__, NULL })
#define SAY_AT_ONCE(t, ...) \
	say_in(t, 1 << 20, (const char *const[]){ __VA_ARGS__, NULL })

static const char *
ask(struct talk *t)
{
	assert_int_equal(gitproto_step(t->p), GITPROTO_ASK);
	buf_reset(&t->asked);
	gitproto_request(t->p, &t->asked);
	return buf_str(&t->asked);
}

/* "OID ref\0capabilities" as a packet of its own. */
static int
say_first_v0(struct talk *t, const char *ref, const char *capabilities)
{
	struct buf line = BUF_INIT, packet = BUF_INIT;
	int rc;

	buf_adds(&line, ref);
	buf_addc(&line, '\0');
	buf_adds(&line, capabilities);
	pkt_bytes(&packet, line.data, line.len);
	rc = gitproto_feed(t->p, packet.data, packet.len, &t->e);
	buf_clear(&line);
	buf_clear(&packet);
	return rc;
}

#define HELLO_V2 "version 2\n", "agent=git/2.39\n", "ls-refs=unborn\n", \
	"fetch=shallow wait-for-done\n", "object-format=sha1\n", "0000"

static void
version_2_is_spoken_to_the_end(void **state)
{
	struct talk *t = talk_new(NULL);

	assert_int_equal(SAY(t, HELLO_V2), 0);
	assert_int_equal(gitproto_version(t->p), 2);
	assert_string_equal(ask(t),
	    "0014command=ls-refs\n000fagent=davit0016object-format=sha1"
	    "0001000csymrefs\n0014ref-prefix HEAD\n"
	    "001fref-prefix refs/heads/main\n"
	    "0021ref-prefix refs/heads/master\n0000");
	assert_int_equal(SAY(t, A " HEAD symref-target:refs/heads/trunk\n",
	    A " refs/heads/trunk\n", "0000"), 0);
	assert_string_equal(ask(t),
	    "0012command=fetch\n000fagent=davit0016object-format=sha1"
	    "00010010no-progress\n000eofs-delta\n0032want " A "\n"
	    "000ddeepen 1\n0009done\n0000");
	assert_int_equal(SAY(t, "shallow-info\n", "shallow " A "\n", "0001",
	    "packfile\n", "\002busy", "\001PA", "\001", "\001CK", "0000"), 0);
	assert_int_equal(gitproto_step(t->p), GITPROTO_DONE);
	assert_int_equal(gitproto_end(t->p, &t->e), 0);
	assert_string_equal(buf_str(&t->pack), "PACK");
	assert_string_equal(gitproto_want(t->p), A);
	assert_string_equal(gitproto_ref(t->p), "trunk");
	talk_free(t);
}

static void
version_0_is_spoken_to_the_end(void **state)
{
	struct talk *t = talk_new(NULL);

	assert_int_equal(SAY(t, "# service=git-upload-pack\n", "0000"), 0);
	assert_int_equal(say_first_v0(t, A " HEAD",
	    "multi_ack side-band side-band-64k shallow "
	    "symref=HEAD:refs/heads/dev agent=x\n"), 0);
	assert_int_equal(SAY(t, B " refs/heads/dev\n",
	    C " refs/tags/v1^{}\n", "0000"), 0);
	assert_int_equal(gitproto_version(t->p), 0);
	assert_string_equal(ask(t),
	    "006awant " A " side-band-64k ofs-delta no-progress shallow "
	    "agent=davit\n000ddeepen 1\n00000009done\n");
	assert_int_equal(SAY_AT_ONCE(t, "shallow " A "\n", "0000", "NAK\n",
	    "\001PACK", "0000"), 0);
	assert_int_equal(gitproto_end(t->p, &t->e), 0);
	assert_string_equal(buf_str(&t->pack), "PACK");
	assert_string_equal(gitproto_ref(t->p), "dev");
	talk_free(t);
}

static void
version_0_without_shallow_gets_everything(void **state)
{
	struct talk *t = talk_new("dev");

	assert_int_equal(say_first_v0(t, A " refs/heads/dev", "side-band\n"),
	    0);
	assert_int_equal(SAY(t, "0000"), 0);
	assert_null(strstr(ask(t), "deepen"));
	assert_int_equal(SAY(t, "NAK\n", "\001PACK", "0000"), 0);
	assert_int_equal(gitproto_step(t->p), GITPROTO_DONE);
	talk_free(t);
}

static void
a_branch_goes_before_a_tag_of_the_same_name(void **state)
{
	struct talk *t = talk_new("x");

	assert_int_equal(SAY(t, HELLO_V2), 0);
	ask(t);
	assert_int_equal(SAY(t, B " refs/tags/x peeled:" C "\n",
	    A " refs/heads/x\n", "0000"), 0);
	assert_string_equal(gitproto_want(t->p), A);
	talk_free(t);

	t = talk_new("v1");
	assert_int_equal(SAY(t, HELLO_V2), 0);
	ask(t);
	assert_int_equal(SAY(t, B " refs/tags/v1\n", C " refs/tags/v11\n",
	    "0000"), 0);
	assert_string_equal(gitproto_want(t->p), B);
	assert_string_equal(gitproto_ref(t->p), "v1");
	talk_free(t);
}

static void
a_commit_id_is_wanted_without_listing(void **state)
{
	struct talk *t = talk_new(C);

	assert_int_equal(SAY(t, HELLO_V2), 0);
	assert_non_null(strstr(ask(t), "want " C "\n"));
	assert_null(gitproto_ref(t->p));
	assert_int_equal(SAY(t, "ERR upload-pack: not our ref " C "\n"), -1);
	assert_int_equal(t->e.code, ERR_REF_NOTFOUND);
	talk_free(t);
}

/* Where references are all that is wanted, no pack is asked for. */
static struct talk *
list_talk_new(const char *ref)
{
	struct talk *t = talk_new(ref);

	gitproto_only_refs(t->p);
	return t;
}

static void
a_list_of_references_can_be_all(void **state)
{
	struct talk *t = list_talk_new(NULL);

	assert_int_equal(SAY(t, HELLO_V2), 0);
	assert_non_null(strstr(ask(t), "peel\n"));
	assert_int_equal(SAY(t, A " HEAD symref-target:refs/heads/dev\n",
	    "0000"), 0);
	assert_int_equal(gitproto_step(t->p), GITPROTO_DONE);
	assert_string_equal(gitproto_want(t->p), A);
	assert_string_equal(gitproto_ref(t->p), "dev");
	assert_int_equal(SAY(t, "packfile\n"), -1);
	talk_free(t);

	t = list_talk_new(C);
	assert_int_equal(SAY(t, HELLO_V2), 0);
	assert_int_equal(gitproto_step(t->p), GITPROTO_DONE);
	assert_string_equal(gitproto_want(t->p), C);
	talk_free(t);
}

static void
a_tag_in_a_list_stands_for_its_commit(void **state)
{
	struct talk *t = list_talk_new("v1");

	assert_int_equal(SAY(t, HELLO_V2), 0);
	ask(t);
	assert_int_equal(SAY(t, C " refs/tags/v11 peeled:" C "\n",
	    A " refs/tags/v1 peeled:" B "\n", "0000"), 0);
	assert_string_equal(gitproto_want(t->p), B);
	assert_string_equal(gitproto_ref(t->p), "v1");
	talk_free(t);

	t = list_talk_new("v1");
	assert_int_equal(say_first_v0(t, A " refs/tags/v1",
	    "side-band-64k shallow\n"), 0);
	assert_int_equal(SAY(t, B " refs/tags/v1^{}\n", C " refs/tags/v11\n",
	    C " refs/tags/v11^{}\n", "0000"), 0);
	assert_int_equal(gitproto_step(t->p), GITPROTO_DONE);
	assert_string_equal(gitproto_want(t->p), B);
	talk_free(t);

	t = list_talk_new("v1");
	assert_int_equal(SAY(t, HELLO_V2), 0);
	ask(t);
	assert_int_equal(SAY(t, A " refs/tags/v1 peeled:x\n", "0000"), 0);
	assert_string_equal(gitproto_want(t->p), A);
	talk_free(t);
}

static void
empty_repositories_are_named_as_such(void **state)
{
	struct talk *t = talk_new(NULL);

	assert_int_equal(SAY(t, HELLO_V2), 0);
	ask(t);
	assert_int_equal(SAY(t, "unborn HEAD symref-target:refs/heads/m\n",
	    "0000"), -1);
	assert_int_equal(t->e.code, ERR_REPO_EMPTY);
	talk_free(t);

	t = talk_new(NULL);
	assert_int_equal(say_first_v0(t,
	    "0000000000000000000000000000000000000000 capabilities^{}",
	    "side-band-64k shallow\n"), 0);
	assert_int_equal(SAY(t, "0000"), -1);
	assert_int_equal(t->e.code, ERR_REPO_EMPTY);
	talk_free(t);
}

static void
a_head_that_leads_nowhere_falls_back_to_main(void **state)
{
	struct talk *t = talk_new(NULL);

	assert_int_equal(SAY(t, HELLO_V2), 0);
	ask(t);
	assert_int_equal(SAY(t, B " refs/heads/main\n", "0000"), 0);
	assert_string_equal(gitproto_want(t->p), B);
	assert_string_equal(gitproto_ref(t->p), "main");
	talk_free(t);
}

static void
missing_references_are_named(void **state)
{
	struct talk *t = talk_new("nope");

	assert_int_equal(SAY(t, HELLO_V2), 0);
	ask(t);
	assert_int_equal(SAY(t, "0000"), -1);
	assert_int_equal(t->e.code, ERR_REF_NOTFOUND);
	assert_non_null(strstr(t->e.msg, "'nope'"));
	talk_free(t);
}

static void
sha256_is_refused_by_name(void **state)
{
	struct talk *t = talk_new(NULL);

	assert_int_equal(SAY(t, "version 2\n", "object-format=sha256\n"), -1);
	assert_non_null(strstr(t->e.msg, "SHA-256"));
	talk_free(t);

	t = talk_new(NULL);
	assert_int_equal(say_first_v0(t, A " HEAD",
	    "side-band-64k object-format=sha256"), -1);
	assert_non_null(strstr(t->e.msg, "SHA-256"));
	talk_free(t);
}

static struct talk *
talk_up_to_the_pack(void)
{
	struct talk *t = talk_new(NULL);

	assert_int_equal(SAY(t, HELLO_V2), 0);
	ask(t);
	assert_int_equal(SAY(t, A " HEAD\n", "0000"), 0);
	ask(t);
	assert_int_equal(SAY(t, "packfile\n", "\001PACK"), 0);
	return t;
}

static void
an_end_without_the_final_flush_is_an_error(void **state)
{
	struct talk *t = talk_up_to_the_pack();

	assert_int_equal(gitproto_end(t->p, &t->e), -1);
	assert_int_equal(t->e.code, ERR_FETCH_FAILED);
	talk_free(t);

	t = talk_new(NULL);
	assert_int_equal(gitproto_end(t->p, &t->e), -1);
	talk_free(t);
}

static void
bytes_after_the_end_are_an_error(void **state)
{
	struct talk *t = talk_up_to_the_pack();

	assert_int_equal(SAY(t, "0000", "\001more"), -1);
	assert_int_equal(t->e.code, ERR_FETCH_FAILED);
	talk_free(t);
}

static void
the_servers_last_words_are_told_and_cleaned(void **state)
{
	struct talk *t = talk_up_to_the_pack();

	assert_int_equal(SAY(t, "\003disk\033[2J full\xff\nmore"), -1);
	assert_int_equal(t->e.code, ERR_FETCH_FAILED);
	assert_string_equal(t->e.msg, "the server says 'disk?[2J full?'");
	talk_free(t);
}

static void
progress_has_a_bound(void **state)
{
	struct talk *t = talk_up_to_the_pack();
	char line[60001];
	int rc = 0;

	memset(line, 'x', sizeof(line) - 1);
	line[0] = 2;
	line[sizeof(line) - 1] = '\0';
	for (int i = 0; i < 100 && rc == 0; i++)
		rc = SAY_AT_ONCE(t, line);
	assert_int_equal(rc, -1);
	assert_non_null(strstr(t->e.msg, "without end"));
	talk_free(t);
}

static void
what_the_sink_says_is_kept(void **state)
{
	struct talk *t = talk_up_to_the_pack();

	t->stingy = true;
	assert_int_equal(SAY(t, "\001more"), -1);
	assert_int_equal(t->e.code, ERR_REPO_TOOBIG);
	assert_string_equal(t->e.msg, "enough");
	talk_free(t);
}

static void
what_is_no_protocol_is_refused(void **state)
{
	static const char *const words[] = { "<html>", "0003", "00zz", "fff1",
		"0004", "0002", "0001", "-001", "0x0a", "   5a",
		"0009hello", "0005\n", "0006\001x" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct talk *t = talk_new(NULL);

		assert_int_equal(gitproto_feed(t->p, words[i],
		    strlen(words[i]), &t->e), -1);
		assert_int_equal(t->e.code, ERR_FETCH_FAILED);
		talk_free(t);
	}
}

static void
errors_before_anything_else_are_sorted(void **state)
{
	struct talk *t = talk_new(NULL);

	assert_int_equal(SAY(t, "ERR access denied or repository not "
	    "exported: /x.git"), -1);
	assert_int_equal(t->e.code, ERR_REPO_NOTFOUND);
	talk_free(t);

	t = talk_new(NULL);
	assert_int_equal(SAY(t, "ERR too busy\n"), -1);
	assert_int_equal(t->e.code, ERR_FETCH_FAILED);
	talk_free(t);
}

static void
a_redirect_starts_from_nothing(void **state)
{
	struct talk *t = talk_new(NULL);

	gitproto_feed(t->p, "001", 3, &t->e);
	gitproto_restart(t->p);
	assert_int_equal(SAY(t, HELLO_V2), 0);
	assert_int_equal(gitproto_step(t->p), GITPROTO_ASK);
	talk_free(t);
}

static void
the_hello_of_git_is_framed(void **state)
{
	static const char want[] = "003agit-upload-pack /r.git\0"
	    "host=h.example:9418\0\0version=2";
	struct buf b = BUF_INIT;

	gitproto_hello("/r.git", "h.example", 9418, &b);
	assert_int_equal(b.len, sizeof(want));
	assert_memory_equal(b.data, want, sizeof(want));
	assert_int_equal(strtol("003a", NULL, 16), sizeof(want));
	buf_clear(&b);
}

/* Answer a seed's bytes as far as the conversation goes; whatever they are,
 * it ends in a state that can be freed. */
static void
run_seed(const char *bytes, size_t len)
{
	struct talk *t = talk_new(NULL);
	int rc = 0;

	for (size_t i = 0; i < len && rc == 0; i++) {
		if (gitproto_step(t->p) == GITPROTO_ASK)
			ask(t);
		rc = gitproto_feed(t->p, bytes + i, 1, &t->e);
	}
	gitproto_end(t->p, &t->e);
	talk_free(t);
}

static void
no_prefix_or_flipped_bit_of_a_conversation_breaks_it(void **state)
{
	static const char good[] = "000eversion 2\n"
	    "0012fetch=shallow\n0017object-format=sha1\n0000"
	    "0053" A " HEAD symref-target:refs/heads/main\n0000"
	    "0011shallow-info\n00010031shallow " A "\n"
	    "000dpackfile\n0009\001PACK0008\002err0000";
	char copy[sizeof(good)];
	size_t len = sizeof(good) - 1;

	for (size_t i = 0; i <= len; i++)
		run_seed(good, i);
	for (size_t i = 0; i < len * 8; i++) {
		memcpy(copy, good, sizeof(good));
		copy[i / 8] ^= (char)(1 << (i % 8));
		run_seed(copy, len);
	}
}

static void
every_seed_comes_to_an_end(void **state)
{
	const char *top = getenv("top_srcdir");
	struct dirent *d;
	char dir[3000], path[4096];
	int n = 0;
	DIR *seeds;

	snprintf(dir, sizeof(dir), "%s/tests/seeds/gitproto",
	    top == NULL ? "." : top);
	seeds = opendir(dir);
	assert_non_null(seeds);
	while ((d = readdir(seeds)) != NULL) {
		struct buf b = BUF_INIT;

		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, d->d_name);
		assert_int_equal(fdio_slurp_file(path, 1 << 20, &b, NULL), 0);
		run_seed(buf_str(&b), b.len);
		buf_clear(&b);
		n++;
	}
	closedir(seeds);
	assert_true(n >= 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_2_is_spoken_to_the_end),
		cmocka_unit_test(version_0_is_spoken_to_the_end),
		cmocka_unit_test(version_0_without_shallow_gets_everything),
		cmocka_unit_test(a_branch_goes_before_a_tag_of_the_same_name),
		cmocka_unit_test(a_commit_id_is_wanted_without_listing),
		cmocka_unit_test(a_list_of_references_can_be_all),
		cmocka_unit_test(a_tag_in_a_list_stands_for_its_commit),
		cmocka_unit_test(empty_repositories_are_named_as_such),
		cmocka_unit_test(a_head_that_leads_nowhere_falls_back_to_main),
		cmocka_unit_test(missing_references_are_named),
		cmocka_unit_test(sha256_is_refused_by_name),
		cmocka_unit_test(an_end_without_the_final_flush_is_an_error),
		cmocka_unit_test(bytes_after_the_end_are_an_error),
		cmocka_unit_test(the_servers_last_words_are_told_and_cleaned),
		cmocka_unit_test(progress_has_a_bound),
		cmocka_unit_test(what_the_sink_says_is_kept),
		cmocka_unit_test(what_is_no_protocol_is_refused),
		cmocka_unit_test(errors_before_anything_else_are_sorted),
		cmocka_unit_test(a_redirect_starts_from_nothing),
		cmocka_unit_test(the_hello_of_git_is_framed),
		cmocka_unit_test(
		    no_prefix_or_flipped_bit_of_a_conversation_breaks_it),
		cmocka_unit_test(every_seed_comes_to_an_end),
	};

	return cmocka_run_group_tests_name("gitproto", tests, NULL, NULL);
}
