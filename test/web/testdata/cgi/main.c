/* A program that answers by CGI: what it does is up to PATH_INFO. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char buffer[64 << 10];

int main(void) {
	const char *path = getenv("PATH_INFO");
	if (path == NULL) return 1;
	if (strcmp(path, "/echo") == 0) {
		size_t n;
		printf("Content-Type: application/octet-stream\r\n\r\n");
		while ((n = fread(buffer, 1, sizeof buffer, stdin)) > 0) fwrite(buffer, 1, n, stdout);
	} else if (strcmp(path, "/proxy") == 0) {
		printf("Content-Type: text/plain\n\n%s", getenv("HTTP_PROXY") == NULL ? "none" : "some");
	} else if (strcmp(path, "/nph") == 0) {
		printf("HTTP/1.1 200 OK\r\n\r\nhi");
	} else if (strcmp(path, "/local") == 0) {
		printf("Location: /hello?x=1\n\n");
	} else if (strcmp(path, "/silent") == 0) {
		return 3;
	} else {
		printf("Status: 201 Made\nContent-Type: text/plain\n\nhello %s", getenv("QUERY_STRING"));
	}
	return 0;
}
