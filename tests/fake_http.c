#include "tests/fake_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/fdio.h"

/* Until the peer closes or this has passed. */
#define PATIENCE_MS 10000

/* Of a request whose head says how long it is. */
static void
drain_body(int fd, const char *head, size_t got)
{
	const char *length = strcasestr(head, "\r\nContent-Length:");
	char data[65536];
	size_t left;

	if (length == NULL)
		return;
	left = strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
	for (left = left > got ? left - got : 0; left > 0;) {
		ssize_t n = read(fd, data,
		    left < sizeof(data) ? left : sizeof(data));

		if (n <= 0)
			return;
		left -= (size_t)n;
	}
}

/* Read the request; 0 where it is the expected one. */
static int
read_request(int fd, const struct fake_turn *turn, bool body)
{
	const char *header = turn->header == NULL ? "" : turn->header;
	char head[8192] = "", *blank;
	size_t n = 0;

	while (n < sizeof(head) - 1 && strstr(head, "\r\n\r\n") == NULL) {
		ssize_t got = read(fd, head + n, sizeof(head) - 1 - n);

		if (got <= 0)
			return 1;
		n += (size_t)got;
		head[n] = '\0';
	}
	if (body && (blank = strstr(head, "\r\n\r\n")) != NULL)
		drain_body(fd, head, n - (size_t)(blank + 4 - head));
	if (strncmp(head, turn->expect, strlen(turn->expect)) == 0 &&
	    strstr(head, header) != NULL)
		return 0;
	fprintf(stderr, "# wanted '%s' and '%s', got '%.60s'\n", turn->expect,
	    header, head);
	return 1;
}

static void
await_bytes_or_end(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte[512];

	if (poll(&p, 1, PATIENCE_MS) == 1 && read(fd, byte, sizeof(byte)) < 0)
		return;
}

static void
reset_connection(int fd)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static void
drip(int fd, const char *answer, int ms)
{
	for (; *answer != '\0'; answer++) {
		poll(NULL, 0, ms);
		if (fdio_write(fd, answer, 1, NULL) == -1)
			return;
	}
}

static int
play(int fd, const struct fake_turn *turn)
{
	int wrong = read_request(fd, turn, !turn->reset);

	if (turn->reset) {
		reset_connection(fd);
		return wrong;
	}
	if (turn->drip_ms > 0) {
		drip(fd, turn->answer, turn->drip_ms);
		return wrong;
	}
	if (turn->answer == NULL) {
		await_bytes_or_end(fd);
		return wrong;
	}
	for (int i = 0; i < (turn->repeat > 0 ? turn->repeat : 1); i++)
		if (fdio_write(fd, turn->answer, strlen(turn->answer), NULL) ==
		    -1)
			return wrong;
	if (turn->then != NULL) {
		await_bytes_or_end(fd);
		fdio_write(fd, turn->then, strlen(turn->then), NULL);
	}
	return wrong;
}

static void
serve(int listener, const struct fake_turn *turns, size_t n)
{
	int wrong = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < n; i++) {
		int fd = accept(listener, NULL, NULL);

		wrong += play(fd, &turns[i]);
		close(fd);
	}
	_exit(wrong);
}

void
fake_http_start(struct fake_http *f, const struct fake_turn *turns, size_t n)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == -1 ||
	    listen(fd, 8) == -1 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) == -1)
		abort();
	f->port = ntohs(a.sin_port);
	snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%d", f->port);
	if ((f->pid = fork()) == 0)
		serve(fd, turns, n);
	close(fd);
}

int
fake_http_stop(struct fake_http *f)
{
	int status = 0;

	for (int i = 0; i < 200; i++) { /* its last turn may be under way */
		if (waitpid(f->pid, &status, WNOHANG) == f->pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
		poll(NULL, 0, 10);
	}
	kill(f->pid, SIGKILL);
	waitpid(f->pid, &status, 0);
	return 1;
}
