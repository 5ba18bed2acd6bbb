/* A server that takes connections of the sockets it is given: systemd's way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void answer(int c) {
	char buf[4096];
	size_t have = 0;
	while (have < sizeof buf - 1) {
		ssize_t n = recv(c, buf + have, sizeof buf - 1 - have, 0);
		if (n <= 0)
			break;
		have += n;
		buf[have] = 0;
		if (strstr(buf, "\r\n\r\n"))
			break;
	}
	const char *ok = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nfrom C\n";
	send(c, ok, strlen(ok), 0);
	shutdown(c, SHUT_WR);
	close(c);
}

int main(int argc, char **argv) {
	const char *fds = getenv("LISTEN_FDS"), *names = getenv("LISTEN_FDNAMES");
	printf("%s sockets: %s\n", fds ? fds : "no", names ? names : "");
	fflush(stdout);
	FILE *f = fopen("/here", "w"); /* the root is still found */
	if (!fds || !f)
		return 2;
	fclose(f);
	int count = argc > 1 ? atoi(argv[1]) : 1;
	while (count-- > 0) {
		int c = accept(3, NULL, NULL);
		if (c < 0) {
			perror("accept");
			return 1;
		}
		answer(c);
	}
	return 0;
}
