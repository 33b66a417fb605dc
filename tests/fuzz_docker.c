/*
 * What answers at the Docker Engine's socket: HTTP, JSON and frames.  The
 * bytes are a script of answers, "\n--\n" between them; a thread gives one to
 * each request and hangs up, so that no call waits.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/conf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/mem.h"
#include "tests/fuzz.h"
#include "worker/docker.h"
#include "worker/watch.h"

/* A build that hears no end of frames is stopped; here soon. */
#define DEADLINE_MS 500

static const char between[] = "\n--\n";

static char dir[] = "/tmp/davit-fuzz.XXXXXX";
static struct conf *conf;
static struct watch *watch;
static int listener = -1;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *script, *script_end;

/* ---- the engine ---- */

/* The next answer of the script, empty after its end. */
static void
answer(int fd)
{
	const char *end;

	pthread_mutex_lock(&lock);
	end = memmem(script, (size_t)(script_end - script), between,
	    sizeof(between) - 1);
	if (end == NULL)
		end = script_end;
	(void)!send(fd, script, (size_t)(end - script),
	    MSG_NOSIGNAL | MSG_DONTWAIT);
	script = end == script_end ? end : end + sizeof(between) - 1;
	pthread_mutex_unlock(&lock);
}

static void *
engine(void *arg)
{
	char request[4096];
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) != -1) {
		/* A request comes in one piece, or its head does. */
		if (recv(fd, request, sizeof(request), 0) > 0)
			answer(fd);
		shutdown(fd, SHUT_WR);
		close(fd);
	}
	return NULL;
}

static void
tidy_up(void)
{
	fdio_remove_tree(dir, NULL);
}

static char *
set_up(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	pthread_t thread;

	must(mkdtemp(dir) != NULL);
	atexit(tidy_up);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/docker.sock", dir);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(bind(listener, (struct sockaddr *)&a, sizeof(a)) == 0);
	must(listen(listener, 16) == 0);
	must((conf = conf_parse("", "fuzz", NULL)) != NULL);
	must((watch = watch_new(NULL)) != NULL);
	signal(SIGINT, SIG_DFL); /* libFuzzer's own */
	must(pthread_create(&thread, NULL, engine, NULL) == 0);
	return xasprintf("unix:%s", a.sun_path);
}

/* ---- a build's calls, whatever becomes of the ones before ---- */

static int
swallow(void *arg, enum dstream_which which, const char *data, size_t len,
    struct err *e)
{
	must(len > 0 && data != NULL && which <= DSTREAM_STDERR);
	return 0;
}

static void
run_a_process(struct docker *d, const char *container)
{
	static const char *const argv[] = { "true", NULL };
	struct docker_command command = { .argv = argv, .input = true };
	struct docker_process *p;
	struct err e;
	int status;

	p = docker_exec(d, container, &command, watch, swallow, NULL, &e);
	if (p == NULL)
		return;
	if (docker_process_write(p, "x", 1, &e) == 0 &&
	    docker_process_end(p, &e) == 0)
		docker_process_finish(p, &status, &e);
	docker_process_free(p);
}

static void
build(struct docker *d)
{
	struct docker_spec spec = { .conf = conf, .image = "image",
		.id = "abcdefghij", .attempt = 1 };
	char *container, *id = NULL;
	struct err e;
	bool oom;

	docker_ensure_network(d, "net", &e);
	if (docker_find_network(d, "net", &id, &e) == 1)
		must(id != NULL);
	free(id);
	id = NULL;
	if (docker_has_image(d, "image", &id, &e) == 1)
		must(id != NULL);
	free(id);
	if ((container = docker_create(d, &spec, &e)) == NULL)
		container = xstrdup("c");
	docker_start(d, container, &e);
	run_a_process(d, container);
	docker_kill(d, container, &oom, &e);
	docker_remove(d, container, &e);
	docker_remove_all(d, "worker", spec.id, &e);
	docker_remove_spares(d, "worker", NULL, &e);
	free(container);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *endpoint;
	struct docker *d;
	struct err e;

	if (endpoint == NULL)
		endpoint = set_up();
	pthread_mutex_lock(&lock);
	script = (const char *)data;
	script_end = script + size;
	pthread_mutex_unlock(&lock);
	watch_deadline(watch, DEADLINE_MS);
	if ((d = docker_open(endpoint, &e)) != NULL) {
		docker_set_watch(d, watch);
		build(d);
	}
	docker_free(d);
	pthread_mutex_lock(&lock);
	script = script_end = NULL;
	pthread_mutex_unlock(&lock);
	return 0;
}
