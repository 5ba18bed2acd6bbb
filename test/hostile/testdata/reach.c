// reach does one thing to the file system and exits with the errno it got, as
// WASI numbers them; what it read goes to its output.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int dump(int fd) {
	char buf[4096];
	ssize_t n;
	if (fd < 0) return errno;
	while ((n = read(fd, buf, sizeof buf)) > 0) write(1, buf, n);
	return n < 0 ? errno : 0;
}

static int put(int fd) {
	if (fd < 0) return errno;
	return write(fd, "pwned", 5) == 5 ? 0 : errno;
}

static int list(const char *path) {
	DIR *d = opendir(path);
	struct dirent *e;
	if (!d) return errno;
	while ((e = readdir(d))) puts(e->d_name);
	return 0;
}

// step does one operation; a and b are its paths.
static int step(const char *op, const char *a, const char *b) {
	struct stat st;
	struct timespec times[2] = {{1, 0}, {1, 0}};
	char buf[4096];
	int fd;
#define IS(name) (strcmp(op, name) == 0)
#define TRY(call) ((call) < 0 ? errno : 0)
	if (IS("read")) return dump(open(a, O_RDONLY));
	if (IS("read-nofollow")) return dump(open(a, O_RDONLY | O_NOFOLLOW));
	if (IS("read-dir")) return dump(open(a, O_RDONLY | O_DIRECTORY));
	if (IS("write")) return put(open(a, O_WRONLY));
	if (IS("update")) return put(open(a, O_RDWR));
	if (IS("append")) return put(open(a, O_WRONLY | O_APPEND));
	if (IS("create")) return put(open(a, O_WRONLY | O_CREAT, 0666));
	if (IS("create-new")) return put(open(a, O_WRONLY | O_CREAT | O_EXCL, 0666));
	if (IS("create-read")) return TRY(open(a, O_RDONLY | O_CREAT, 0666));
	if (IS("trunc")) return TRY(open(a, O_WRONLY | O_TRUNC));
	if (IS("trunc-read")) return TRY(open(a, O_RDONLY | O_TRUNC));
	if (IS("truncate")) {
		if ((fd = open(a, O_RDONLY)) < 0) return errno;
		return TRY(ftruncate(fd, 0));
	}
	if (IS("allocate")) {
		if ((fd = open(a, O_RDONLY)) < 0) return errno;
		return posix_fallocate(fd, 0, 1 << 20);
	}
	if (IS("futimens")) {
		if ((fd = open(a, O_RDONLY)) < 0) return errno;
		return TRY(futimens(fd, times));
	}
	if (IS("mkdir")) return TRY(mkdir(a, 0777));
	if (IS("rmdir")) return TRY(rmdir(a));
	if (IS("unlink")) return TRY(unlink(a));
	if (IS("rename")) return TRY(rename(a, b));
	if (IS("link")) return TRY(link(a, b));
	if (IS("link-follow")) return TRY(linkat(AT_FDCWD, a, AT_FDCWD, b, AT_SYMLINK_FOLLOW));
	if (IS("symlink")) return TRY(symlink(a, b));
	if (IS("symlink-read")) return symlink(a, b) < 0 ? errno : dump(open(b, O_RDONLY));
	if (IS("symlink-write")) return symlink(a, b) < 0 ? errno : put(open(b, O_WRONLY | O_CREAT, 0666));
	if (IS("link-read")) return link(a, b) < 0 ? errno : dump(open(b, O_RDONLY));
	if (IS("rename-read")) return rename(a, b) < 0 ? errno : dump(open(b, O_RDONLY));
	if (IS("stat")) return TRY(stat(a, &st));
	if (IS("lstat")) return TRY(lstat(a, &st));
	if (IS("utimes")) return TRY(utimensat(AT_FDCWD, a, times, 0));
	if (IS("readlink")) {
		ssize_t n = readlink(a, buf, sizeof buf);
		if (n < 0) return errno;
		write(1, buf, n);
		return 0;
	}
	if (IS("list")) return list(a);
	// Through a directory that stays open while its name becomes a link.
	if (IS("swap-read")) {
		int dir = open(a, O_RDONLY | O_DIRECTORY);
		if (dir < 0) return errno;
		if (rename(a, b) < 0) return errno;
		if (symlink("/", a) < 0) return errno;
		return dump(openat(dir, "../../secret", O_RDONLY));
	}
	if (IS("dir-up")) {
		int dir = open(a, O_RDONLY | O_DIRECTORY);
		if (dir < 0) return errno;
		return dump(openat(dir, b, O_RDONLY));
	}
	return 255;
}

int main(int argc, char **argv) {
	return step(argv[1], argc > 2 ? argv[2] : "", argc > 3 ? argv[3] : "");
}
