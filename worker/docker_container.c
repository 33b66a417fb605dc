#include "worker/docker.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/conf.h"
#include "lib/digest.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "worker/docker_call.h"

#define TMP_BYTES (256 * 1024 * 1024)
#define NOFILE 16384

/* Empty files would fill the memory before the disk: each takes 1 KiB of it
 * that is no part of a tmpfs's size.  Packages have 10 KiB a file. */
#define BYTES_PER_INODE 4096

/* The entry process outlives the deadline, and no more: a container that its
 * worker has lost ends by itself. */
#define ENTRY_GRACE_S 60

/* davitd makes a spare container anew at this age; so it lasts twice as long,
 * and then for a build. */
#define SPARE_S (30 * 60)

/* The entry process unpacks the source, which comes by the container's own
 * input: a process of its own for that would cost 45 ms.  Then it tells tar's
 * status and idles for as long as the build may last.  Where the source did not
 * come, or not fit, there will be no build: the container ends. */
static const char entry[] =
    "PATH=/usr/local/bin:/usr/bin:/bin\n"
    "timeout \"$1\" tar -x -f -\n"
    "status=$?\n"
    "echo \"$status\"\n"
    "[ \"$status\" -eq 0 ] && exec sleep \"$2\"\n"
    "exit \"$status\"\n";

/* ---- what a container is ---- */

static void
set_strings(struct json *j, const char *key, const char *const *strings)
{
	struct json *array = json_new_array();

	for (; *strings != NULL; strings++)
		json_append_string(array, *strings);
	json_set(j, key, array);
}

static void
add_limit(struct json *limits, const char *name, int64_t n)
{
	struct json *limit = json_new_object();

	json_set_string(limit, "Name", name);
	json_set_int(limit, "Soft", n);
	json_set_int(limit, "Hard", n);
	json_append(limits, limit);
}

/* A tmpfs is several times faster than the image's overlay for the many small
 * files of a build, costs nothing to remove, and is bounded. */
static struct json *
tmpfs(const struct conf *c)
{
	struct json *j = json_new_object();
	char *work = xasprintf("rw,exec,nosuid,nodev,uid=1000,gid=1000,"
			       "mode=755,size=%lld,nr_inodes=%lld",
	    (long long)c->build_disk,
	    (long long)c->build_disk / BYTES_PER_INODE);
	char *tmp = xasprintf("rw,exec,nosuid,nodev,mode=1777,size=%d,"
			      "nr_inodes=%d", TMP_BYTES,
	    TMP_BYTES / BYTES_PER_INODE);

	json_set_string(j, "/work", work);
	json_set_string(j, "/tmp", tmp);
	free(work);
	free(tmp);
	return j;
}

/* What the build may use, and what it may not do. */
static struct json *
host_config(const struct conf *c)
{
	static const char *const all[] = { "ALL", NULL };
	static const char *const security[] = { "no-new-privileges", NULL };
	struct json *j = json_new_object(), *log = json_new_object();
	struct json *limits = json_new_array();

	json_set_int(j, "Memory", c->build_memory);
	json_set_int(j, "MemorySwap", c->build_memory);
	json_set_int(j, "NanoCpus", c->build_cpus * 1000000);
	json_set_int(j, "PidsLimit", c->build_pids);
	json_set_int(j, "OomScoreAdj", 500);
	add_limit(limits, "nofile", NOFILE);
	add_limit(limits, "core", 0);
	json_set(j, "Ulimits", limits);

	set_strings(j, "CapDrop", all);
	set_strings(j, "SecurityOpt", security);
	json_set_bool(j, "ReadonlyRootfs", true);
	json_set_bool(j, "Init", true);
	json_set_string(j, "IpcMode", "private");
	json_set_string(j, "NetworkMode", c->build_network);
	json_set(j, "Tmpfs", tmpfs(c));

	/* davit takes and bounds what the processes write. */
	json_set_string(log, "Type", "none");
	json_set(j, "LogConfig", log);
	return j;
}

/* id: NULL for a spare one, which has to last until it is wanted. */
static struct json *
container_config(const struct docker_spec *spec)
{
	const struct conf *c = spec->conf;
	struct json *j = json_new_object(), *labels = json_new_object();
	char *attempt = xasprintf("%lld", (long long)spec->attempt);
	char *seconds = xasprintf("%lld",
	    (long long)c->build_time + ENTRY_GRACE_S);
	char *wait = xasprintf("%lld", spec->id == NULL
		? (long long)2 * SPARE_S
		: (long long)c->build_time);
	const char *const argv[] = { "/bin/sh", "-c", entry, "sh", wait,
		seconds, NULL };
	const char *const nothing[] = { NULL };

	json_set_string(labels, "davit", "1");
	json_set_string(labels, "davit.worker", c->worker);
	if (spec->id == NULL)
		json_set_string(labels, "davit.spare", "1");
	else {
		json_set_string(labels, "davit.id", spec->id);
		json_set_string(labels, "davit.attempt", attempt);
	}
	json_set_string(j, "Image", spec->image);
	set_strings(j, "Entrypoint", argv);
	set_strings(j, "Cmd", nothing);
	json_set_bool(j, "OpenStdin", true);
	json_set_bool(j, "StdinOnce", true);
	json_set_string(j, "User", "1000:1000");
	json_set_string(j, "WorkingDir", "/work");
	json_set(j, "Labels", labels);
	json_set(j, "HostConfig", host_config(c));
	free(attempt);
	free(seconds);
	free(wait);
	return j;
}

/* ---- making one ---- */

static char *
name_of(const struct docker_spec *spec)
{
	return xasprintf("davit-%s-%lld", spec->id, (long long)spec->attempt);
}

/* Of all that makes it what it is: one that was made by another davit.conf, or
 * of an image that is no longer it, is not found. */
static char *
spare_name(const struct docker_spec *spec)
{
	const struct docker_spec spare = { .conf = spec->conf,
		.image = spec->image };
	struct json *config = container_config(&spare);
	struct digest *d = digest_new();
	char hex[DIGEST_HEX_BYTES], *text = json_text(config);

	digest_add(d, text, strlen(text));
	digest_end(d, hex);
	digest_free(d);
	free(text);
	json_free(config);
	return xasprintf("davit-spare-%.16s", hex);
}

char *
docker_create(struct docker *d, const struct docker_spec *spec, struct err *e)
{
	char *name = spec->id == NULL ? spare_name(spec) : name_of(spec);
	struct json *answer = NULL;
	struct docker_call c = { .what = "create the container",
		.method = "POST",
		.path = xasprintf("/containers/create?name=%s", name),
		.body = container_config(spec),
		.answer = &answer };
	char *id = NULL;

	free(name);
	if (docker_call(d, &c, e) == -1)
		return NULL;
	id = xstrdup_null(json_get_string(answer, "Id"));
	json_free(answer);
	if (id == NULL)
		err_set(e, ERR_DOCKER,
		    "the container engine created a container without an id");
	return id;
}

/* 1: it runs, 0: it does not, -1. */
static int
is_running(struct docker *d, const char *container, struct err *e)
{
	struct json *answer = NULL;
	struct docker_call look = { .what = "look at the container",
		.method = "GET",
		.path = xasprintf("/containers/%s/json", container),
		.answer = &answer,
		.also = 404 };
	bool runs;

	if (docker_call(d, &look, e) == -1)
		return -1;
	runs = json_get_bool(json_get_object(answer, "State"), "Running",
	    false);
	json_free(answer);
	return runs;
}

/* By its name, which only one of two builds can still find. */
char *
docker_take_spare(struct docker *d, const struct docker_spec *spec)
{
	char *from = spare_name(spec), *name = name_of(spec);
	struct docker_call c = { .what = "rename the container",
		.method = "POST",
		.path = xasprintf("/containers/%s/rename?name=%s", from, name),
		.also = 404 };
	long status = docker_call(d, &c, NULL);

	free(from);
	if (status != -1 && status != 404) {
		if (is_running(d, name, NULL) == 1)
			return name;
		docker_remove(d, name, NULL);
	}
	free(name);
	return NULL;
}

int
docker_make_spare(struct docker *d, const struct docker_spec *spec,
    struct err *e)
{
	char *name = spare_name(spec), *id = NULL;
	int rc = docker_remove_spares(d, spec->conf->worker, name, e);

	if (rc == 0 && (rc = is_running(d, name, e)) == 0) {
		docker_remove(d, name, NULL);
		id = docker_create(d, spec, e);
		rc = id == NULL ? -1 : docker_start(d, id, e);
	}
	free(id);
	free(name);
	return rc == -1 ? -1 : 0;
}

int
docker_start(struct docker *d, const char *container, struct err *e)
{
	struct docker_call c = { .what = "start the container",
		.method = "POST",
		.path = xasprintf("/containers/%s/start", container),
		.also = 304 }; /* it runs already */

	return docker_call(d, &c, e) == -1 ? -1 : 0;
}

int
docker_kill(struct docker *d, const char *container, bool *oom, struct err *e)
{
	struct json *answer = NULL;
	struct docker_call stop = { .what = "kill the container",
		.method = "POST",
		.path = xasprintf("/containers/%s/kill", container),
		.also = 409 }; /* it does not run any more */
	struct docker_call await = { .what = "wait for the container",
		.method = "POST" };
	struct docker_call look = { .what = "look at the container",
		.method = "GET",
		.answer = &answer };

	if (docker_call(d, &stop, e) == -1)
		return -1;
	await.path = xasprintf("/containers/%s/wait", container);
	if (docker_call(d, &await, e) == -1)
		return -1;
	look.path = xasprintf("/containers/%s/json", container);
	if (docker_call(d, &look, e) == -1)
		return -1;
	*oom = json_get_bool(json_get_object(answer, "State"), "OOMKilled",
	    false);
	json_free(answer);
	return 0;
}

int
docker_remove(struct docker *d, const char *container, struct err *e)
{
	struct docker_call c = { .what = "remove the container",
		.method = "DELETE",
		.path = xasprintf("/containers/%s?force=1&v=1", container),
		.also = 404 };

	return docker_call(d, &c, e) == -1 ? -1 : 0;
}

/* Containers of this worker; another may share the engine.  A worker's name
 * needs no escapes: {"label":["davit.worker=…"]}. */
static struct json *
list_containers(struct docker *d, const char *worker, struct err *e)
{
	struct json *answer = NULL;
	struct docker_call list = { .what = "list containers",
		.method = "GET",
		.path = xasprintf("/containers/json?all=1&filters="
				  "%%7B%%22label%%22%%3A%%5B%%22davit.worker"
				  "%%3D%s%%22%%5D%%7D", worker),
		.answer = &answer };

	return docker_call(d, &list, e) == -1 ? NULL : answer;
}

/* The name of one in the list, where it begins so; else NULL. */
static const char *
name_in(const struct json *list, size_t i, const char *start)
{
	const struct json *names = json_get(json_at(list, i), "Names");
	const char *name = json_as_string(json_at(names, 0));

	if (name == NULL || name[0] != '/' ||
	    strncmp(name + 1, start, strlen(start)) != 0)
		return NULL;
	return name + 1;
}

/* Remove, by name, those whose name begins so; keep: the name of one to leave
 * alone, or NULL.  What a build takes meanwhile has another name then. */
static int
remove_named(struct docker *d, const char *worker, const char *start,
    const char *keep, struct err *e)
{
	struct json *list = list_containers(d, worker, e);
	int rc = list == NULL ? -1 : 0;

	for (size_t i = 0; i < json_count(list); i++) {
		const char *name = name_in(list, i, start);

		if (name != NULL &&
		    (keep == NULL || strcmp(name, keep) != 0) &&
		    docker_remove(d, name, e) == -1)
			rc = -1;
	}
	json_free(list);
	return rc;
}

int
docker_remove_all(struct docker *d, const char *worker, const char *id,
    struct err *e)
{
	char *start = xasprintf("davit-%s-", id);
	int rc = remove_named(d, worker, start, NULL, e);

	free(start);
	return rc;
}

int
docker_remove_spares(struct docker *d, const char *worker, const char *keep,
    struct err *e)
{
	return remove_named(d, worker, "davit-spare-", keep, e);
}

/* By name_of(): a spare one that was taken has no label that tells. */
int
docker_each_id(struct docker *d, const char *worker,
    int (*fn)(void *, const char *), void *arg, struct err *e)
{
	static const char start[] = "davit-";
	struct json *list = list_containers(d, worker, e);
	int rc = list == NULL ? -1 : 0;

	for (size_t i = 0; rc == 0 && i < json_count(list); i++) {
		const char *name = name_in(list, i, start);
		char id[ID_LENGTH + 1];

		if (name == NULL)
			continue;
		name += strlen(start);
		if (strlen(name) > ID_LENGTH && name[ID_LENGTH] == '-' &&
		    name_is_id(name, ID_LENGTH, id))
			rc = fn(arg, id);
	}
	json_free(list);
	return rc;
}
