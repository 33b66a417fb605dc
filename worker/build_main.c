/* davit-build: one deployment, from a job on standard input to a site. */
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/name.h"
#include "lib/store.h"
#include "worker/build.h"
#include "worker/docker.h"
#include "worker/events.h"
#include "worker/explain.h"
#include "worker/netguard.h"
#include "worker/ready.h"
#include "worker/rulecheck.h"
#include "worker/watch.h"

#define EVENTS_FD 3
#define EXIT_USAGE 64

static const char help[] =
    "usage: davit-build [-c FILE] < JOB\n"
    "       davit-build [-c FILE] --clean ID | --containers | --spare | --no-spare\n"
    "       davit-build [-c FILE] --ready[=SECONDS]\n"
    "       davit-build [-c FILE] --plan DIRECTORY|- [--json] [--request FILE]\n"
    "       davit-build --check DIRECTORY\n"
    "\n"
    "Build and publish one deployment.  JOB is its record as JSON; the log\n"
    "goes to standard output, events to descriptor 3 or, without one, to\n"
    "standard error.\n"
    "\n"
    "  -c FILE           configuration in place of davit.conf\n"
    "  --clean ID        remove the containers that a lost build has left\n"
    "  --containers      the ids that have containers of this worker, a line each\n"
    "  --spare           start a container ahead, for the next build\n"
    "  --no-spare        remove it\n"
    "  --ready[=SECONDS] exit 0 where the store and the engine answer, in time\n"
    "  --plan DIRECTORY  tell how a checkout would be built, and why; \"-\" is\n"
    "                    a tar of it on standard input\n"
    "  --json            tell it as JSON\n"
    "  --request FILE    with what a body of POST /get/url asks for\n"
    "  --check DIRECTORY look for mistakes in _redirects and _headers of a\n"
    "                    built site\n"
    "  --version, --help\n";

static int
complain(const struct err *e)
{
	log_error("%s", e->msg);
	fprintf(stderr, "%s\n", err_hint(e->code));
	return EXIT_FAILURE;
}

/* ---- --check ---- */

static int
check(const char *dir)
{
	struct err e;
	int wrong = rulecheck(dir, stdout, &e);

	if (wrong == -1)
		return complain(&e);
	return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- --clean ---- */

static int
clean(const struct conf *conf, const char *text)
{
	char id[ID_LENGTH + 1];
	struct docker *docker;
	struct err e;
	int rc;

	if (!name_is_id(text, strlen(text), id)) {
		fprintf(stderr, "davit-build: %.40s is no id\n", text);
		return EXIT_USAGE;
	}
	docker = docker_open(conf->docker, &e);
	rc = docker == NULL ? -1 : docker_remove_all(docker, conf->worker,
					   id, &e);
	docker_free(docker);
	return rc == -1 ? complain(&e) : EXIT_SUCCESS;
}

/* ---- --containers ---- */

static int
print_id(void *arg, const char *id)
{
	return puts(id) == EOF ? -1 : 0;
}

static int
containers(const struct conf *conf)
{
	struct err e;
	struct docker *docker = docker_open(conf->docker, &e);
	int rc = docker == NULL ? -1 : docker_each_id(docker, conf->worker,
					   print_id, NULL, &e);

	docker_free(docker);
	return rc == -1 ? complain(&e) : EXIT_SUCCESS;
}

/* ---- --spare, --no-spare ---- */

static int
make_spare(struct docker *docker, const struct conf *conf, struct err *e)
{
	struct docker_spec spec = { .conf = conf };
	char *image = NULL;
	int rc = docker_has_image(docker, conf->image, &image, e);

	if (rc == 0)
		rc = err_set(e, ERR_NO_IMAGE,
		    "there is no builder image %s on this worker",
		    conf->image);
	spec.image = image;
	if (rc != -1 &&
	    (rc = netguard_ensure(docker, conf, e)) != -1)
		rc = docker_make_spare(docker, &spec, e);
	free(image);
	return rc;
}

static int
spare(const struct conf *conf, bool wanted)
{
	struct err e;
	struct docker *docker = docker_open(conf->docker, &e);
	int rc = -1;

	if (docker != NULL)
		rc = wanted ? make_spare(docker, conf, &e)
			    : docker_remove_spares(docker, conf->worker, NULL,
				  &e);
	docker_free(docker);
	return rc == -1 ? complain(&e) : EXIT_SUCCESS;
}

/* ---- --ready ---- */

/* What is being waited for. */
static volatile sig_atomic_t asked = READY_NO_STORE;

static void
late(int sig)
{
	_exit(asked);
}

/* seconds: for all of it, as digits; NULL: it may take its time. */
static int
ready(const struct conf *conf, const char *seconds)
{
	struct store *store = NULL;
	struct docker *docker = NULL;
	struct err e;
	int status = READY_NO_STORE;
	int64_t left;

	if (seconds != NULL) {
		if (!name_to_number(seconds, 1, 3600, &left))
			return EXIT_USAGE;
		signal(SIGALRM, late);
		alarm((unsigned int)left);
	}
	if ((store = store_open(conf, &e)) == NULL ||
	    store_check(store, &e) == -1)
		goto out;
	asked = status = READY_NO_DOCKER;
	if ((docker = docker_open(conf->docker, &e)) == NULL)
		goto out;
	status = netguard_ensure(docker, conf, &e) == -1 ? READY_NO_NETWORK
							 : EXIT_SUCCESS;
out:
	if (status != EXIT_SUCCESS)
		log_warn("%s", e.msg);
	docker_free(docker);
	store_free(store);
	return status;
}

/* ---- a build ---- */

static struct json *
read_job(struct err *e)
{
	struct buf text = BUF_INIT;
	struct json *j = NULL;

	if (fdio_slurp(STDIN_FILENO, JSON_MAX_BYTES, &text, e) == 0)
		j = json_parse_buf(&text, e);
	if (text.len > 0)
		explicit_bzero(text.data, text.len);
	buf_clear(&text);
	return j;
}

static int
build(const struct conf *conf, struct events *events)
{
	struct json *text = NULL;
	struct deployment *record = NULL;
	struct watch *watch = NULL;
	struct build_job job = { .conf = conf,
		.events = events,
		.log_fd = STDOUT_FILENO };
	struct err e;
	int status = EXIT_SUCCESS;

	if ((text = read_job(&e)) == NULL ||
	    (record = deployment_from_json(text, &e)) == NULL) {
		err_within(&e, "the job on standard input");
		status = complain(&e);
	} else if ((watch = watch_new(&e)) == NULL)
		status = complain(&e);
	else {
		log_scope(record->id);
		events_set_watch(events, watch);
		job.record = record;
		job.env = json_get_object(text, "env");
		job.watch = watch;
		if (build_run(&job) == -1)
			status = EXIT_FAILURE;
	}
	watch_free(watch);
	deployment_free(record);
	json_free(text);
	return status;
}

static int
with_conf(const char *file, int mode, const char *id,
    struct explain_spec *plan, struct events *events)
{
	struct err e;
	struct conf *conf = conf_load(file, &e);
	int status;

	if (conf == NULL)
		return complain(&e);
	switch (mode) {
	case 'C':
		status = clean(conf, id == NULL ? "" : id);
		break;
	case 'L':
		status = containers(conf);
		break;
	case 'S':
	case 'N':
		status = spare(conf, mode == 'S');
		break;
	case 'P':
		plan->image = conf->image;
		status = explain(plan);
		break;
	case 'r':
		status = ready(conf, id);
		break;
	default:
		status = build(conf, events);
	}
	conf_free(conf);
	return status;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "check", required_argument, NULL, 'K' },
		{ "clean", required_argument, NULL, 'C' },
		{ "containers", no_argument, NULL, 'L' },
		{ "spare", no_argument, NULL, 'S' },
		{ "no-spare", no_argument, NULL, 'N' },
		{ "ready", optional_argument, NULL, 'r' },
		{ "plan", required_argument, NULL, 'P' },
		{ "json", no_argument, NULL, 'J' },
		{ "request", required_argument, NULL, 'R' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 }
	};
	const char *file = NULL, *id = NULL, *site = NULL;
	struct explain_spec plan = { NULL };
	struct events *events = events_open(EVENTS_FD);
	int opt, mode = 0, status;

	log_init("davit-build");
	umask(STORE_UMASK);
	while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			file = optarg;
			break;
		case 'C':
		case 'r':
			id = optarg;
			/* fallthrough */
		case 'L':
		case 'S':
		case 'N':
			mode = opt;
			break;
		case 'P':
			plan.from = optarg;
			mode = opt;
			break;
		case 'K':
			site = optarg;
			break;
		case 'J':
			plan.json = true;
			break;
		case 'R':
			plan.request = optarg;
			break;
		case 'V':
			puts("davit-build " PACKAGE_VERSION);
			events_free(events);
			return EXIT_SUCCESS;
		default:
			fputs(help, opt == 'h' ? stdout : stderr);
			events_free(events);
			return opt == 'h' ? EXIT_SUCCESS : EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fputs(help, stderr);
		status = EXIT_USAGE;
	} else if (site != NULL)
		status = check(site);
	else if (mode == 'P' && file == NULL)
		status = explain(&plan); /* no davit.conf is needed */
	else
		status = with_conf(file, mode, id, &plan, events);
	events_free(events);
	return status;
}
