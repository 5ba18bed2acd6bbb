/* Sockets by the extension of WasmEdge, as its own C programs declare them. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IMPORT(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name)))

struct addr { uint8_t *buf; uint32_t len; };
struct iov { void *buf; uint32_t len; };
struct sockaddr_w { uint8_t family; uint32_t len; uint8_t *data; };
struct info {
	uint16_t flags;
	uint8_t family, socktype;
	uint32_t protocol;
	uint32_t addrlen;
	struct sockaddr_w *addr;
	char *name;
	uint32_t namelen;
	struct info *next;
};

IMPORT(sock_open) uint32_t sock_open(uint32_t af, uint32_t type, uint32_t *fd);
IMPORT(sock_bind) uint32_t sock_bind(uint32_t fd, struct addr *a, uint32_t port);
IMPORT(sock_listen) uint32_t sock_listen(uint32_t fd, uint32_t backlog);
#ifdef FIRST
IMPORT(sock_accept) uint32_t sock_accept(uint32_t fd, uint32_t *out);
IMPORT(sock_getlocaladdr) uint32_t sock_getlocaladdr(uint32_t fd, struct addr *a, uint32_t *kind, uint32_t *port);
#define ACCEPT(fd, out) sock_accept(fd, out)
#else
IMPORT(sock_accept) uint32_t sock_accept(uint32_t fd, uint32_t flags, uint32_t *out);
IMPORT(sock_getlocaladdr) uint32_t sock_getlocaladdr(uint32_t fd, struct addr *a, uint32_t *port);
#define ACCEPT(fd, out) sock_accept(fd, 0, out)
#endif
IMPORT(sock_connect) uint32_t sock_connect(uint32_t fd, struct addr *a, uint32_t port);
IMPORT(sock_recv) uint32_t sock_recv(uint32_t fd, struct iov *v, uint32_t n, uint32_t flags, uint32_t *size, uint16_t *oflags);
IMPORT(sock_send) uint32_t sock_send(uint32_t fd, struct iov *v, uint32_t n, uint32_t flags, uint32_t *size);
IMPORT(sock_recv_from) uint32_t sock_recv_from(uint32_t fd, struct iov *v, uint32_t n, struct addr *a, uint32_t flags, uint32_t *port, uint32_t *size, uint16_t *oflags);
IMPORT(sock_send_to) uint32_t sock_send_to(uint32_t fd, struct iov *v, uint32_t n, struct addr *a, uint32_t port, uint32_t flags, uint32_t *size);
IMPORT(sock_shutdown) uint32_t sock_shutdown(uint32_t fd, uint32_t how);
IMPORT(sock_setsockopt) uint32_t sock_setsockopt(uint32_t fd, uint32_t level, uint32_t name, void *v, uint32_t len);
IMPORT(sock_getsockopt) uint32_t sock_getsockopt(uint32_t fd, uint32_t level, uint32_t name, void *v, uint32_t *len);
IMPORT(sock_getaddrinfo) uint32_t sock_getaddrinfo(const char *node, uint32_t nl, const char *srv, uint32_t sl, struct info *hints, struct info **res, uint32_t max, uint32_t *n);

static void must(uint32_t e, const char *what) {
	if (e) {
		printf("%s: errno %u\n", what, e);
		exit(1);
	}
}

static uint32_t text(uint32_t fd, const char *s) {
	struct iov v = {(void *)s, strlen(s)};
	uint32_t n = 0;
	return sock_send(fd, &v, 1, 0, &n);
}

/* lookup gives the first address of a name. */
static void lookup(const char *name, const char *port, uint8_t ip[4]) {
	struct info hints = {.family = 1, .socktype = 2}, res[4] = {0}, *first = res;
	struct sockaddr_w sa[4];
	uint8_t data[4][32];
	for (int i = 0; i < 4; i++) {
		sa[i] = (struct sockaddr_w){0, sizeof data[i], data[i]};
		res[i].addr = &sa[i];
		res[i].next = i < 3 ? &res[i + 1] : NULL;
	}
	uint32_t n = 0;
	must(sock_getaddrinfo(name, strlen(name) + 1, port, strlen(port) + 1, &hints, &first, 4, &n), "getaddrinfo");
	if (n < 1 || sa[0].family != 1) {
		printf("getaddrinfo: %u answers\n", n);
		exit(1);
	}
	memcpy(ip, data[0] + 2, 4);
}

static void serve(uint32_t port, int count) {
	uint32_t fd, c, n, one = 1;
	uint16_t flags;
	uint8_t any[4] = {0}, at[128];
	struct addr a = {any, 4};
	must(sock_open(1, 2, &fd), "open");
	must(sock_setsockopt(fd, 0, 0, &one, 4), "setsockopt");
	must(sock_bind(fd, &a, port), "bind");
	must(sock_listen(fd, 16), "listen");
	uint32_t where = 0;
#ifdef FIRST
	struct addr l = {at, 4};
	uint32_t kind = 0;
	must(sock_getlocaladdr(fd, &l, &kind, &where), "getlocaladdr");
	if (kind != 4)
		printf("kind %u\n", kind);
#else
	struct addr l = {at, 128};
	must(sock_getlocaladdr(fd, &l, &where), "getlocaladdr");
#endif
	printf("listening on %u\n", where);
	fflush(stdout);
	while (count-- > 0) {
		must(ACCEPT(fd, &c), "accept");
		char buf[1024];
		struct iov v = {buf, sizeof buf};
		must(sock_recv(c, &v, 1, 0, &n, &flags), "recv");
		for (uint32_t i = 0; i < n; i++)
			if (buf[i] >= 'a' && buf[i] <= 'z')
				buf[i] -= 32;
		v.len = n;
		must(sock_send(c, &v, 1, 0, &n), "send");
		must(sock_shutdown(c, 2), "shutdown");
		close(c);
	}
}

static void ask(const char *host, uint32_t port, const char *say) {
	uint8_t ip[4];
	char text_port[8], buf[1024];
	snprintf(text_port, sizeof text_port, "%u", port);
	lookup(host, text_port, ip);
	uint32_t fd, n, got = 0, failed = 9, size = 4;
	uint16_t flags;
	struct addr a = {ip, 4};
	must(sock_open(1, 2, &fd), "open");
	must(sock_connect(fd, &a, port), "connect");
	must(sock_getsockopt(fd, 0, 2, &failed, &size), "getsockopt");
	must(failed, "SO_ERROR");
	must(text(fd, say), "send");
	must(sock_shutdown(fd, 2), "shutdown");
	do {
		struct iov v = {buf + got, sizeof buf - 1 - got};
		must(sock_recv(fd, &v, 1, 0, &n, &flags), "recv");
		got += n;
	} while (n > 0);
	buf[got] = 0;
	printf("%s\n", buf);
}

/* raw connects to an address as it is. */
static void raw(const char *a4, uint32_t port) {
	unsigned b[4];
	uint8_t ip[4];
	sscanf(a4, "%u.%u.%u.%u", b, b + 1, b + 2, b + 3);
	for (int i = 0; i < 4; i++)
		ip[i] = b[i];
	uint32_t fd;
	struct addr a = {ip, 4};
	must(sock_open(1, 2, &fd), "open");
	must(sock_connect(fd, &a, port), "connect");
	printf("connected\n");
}

/* datagram sends one, and waits for what comes back. */
static void datagram(const char *a4, uint32_t port, const char *say) {
	unsigned b[4];
	uint8_t ip[4], from[128];
	char buf[256];
	sscanf(a4, "%u.%u.%u.%u", b, b + 1, b + 2, b + 3);
	for (int i = 0; i < 4; i++)
		ip[i] = b[i];
	uint32_t fd, n, at = 0;
	uint16_t flags;
	struct addr a = {ip, 4}, f = {from, sizeof from};
	struct iov v = {(void *)say, strlen(say)};
	must(sock_open(1, 1, &fd), "open");
	must(sock_send_to(fd, &v, 1, &a, port, 0, &n), "send_to");
	v.buf = buf, v.len = sizeof buf;
	must(sock_recv_from(fd, &v, 1, &f, 0, &at, &n, &flags), "recv_from");
	printf("%.*s from %u.%u.%u.%u:%u\n", (int)n, buf, from[2], from[3], from[4], from[5], at == port);
}

int main(int argc, char **argv) {
	if (argc > 3 && !strcmp(argv[1], "serve"))
		serve(atoi(argv[2]), atoi(argv[3]));
	else if (argc > 4 && !strcmp(argv[1], "ask"))
		ask(argv[2], atoi(argv[3]), argv[4]);
	else if (argc > 3 && !strcmp(argv[1], "raw"))
		raw(argv[2], atoi(argv[3]));
	else if (argc > 4 && !strcmp(argv[1], "datagram"))
		datagram(argv[2], atoi(argv[3]), argv[4]);
	else
		return 2;
	return 0;
}
