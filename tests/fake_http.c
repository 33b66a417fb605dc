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

/* Read the request's head; 0 where its first line begins as expected. */
static int
read_request(int fd, const char *expect)
{
	char head[8192] = "";
	size_t n = 0;

	while (n < sizeof(head) - 1 && strstr(head, "\r\n\r\n") == NULL) {
		ssize_t got = read(fd, head + n, sizeof(head) - 1 - n);

		if (got <= 0)
			return 1;
		n += (size_t)got;
		head[n] = '\0';
	}
	if (strncmp(head, expect, strlen(expect)) == 0)
		return 0;
	fprintf(stderr, "# wanted '%s', got '%.60s'\n", expect, head);
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

static int
play(int fd, const struct fake_turn *turn)
{
	int wrong = read_request(fd, turn->expect);

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
