// A guest that uses files as Emscripten's C library does: by its system calls and, for
// reading and writing, by WASI. Each test gives 0, or the line that is wrong.
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

#define ENV(name) __attribute__((import_module("env"), import_name(name)))
#define WASI(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(name)))
#define TEST(name) __attribute__((export_name(#name))) int test_##name(void)
#define CHECK(x) do { if (!(x)) return __LINE__; } while (0)

ENV("__syscall_openat") int openat(int dir, const char *path, int flags, void *more);
ENV("__syscall_stat64") int stat64(const char *path, void *out);
ENV("__syscall_lstat64") int lstat64(const char *path, void *out);
ENV("__syscall_fstat64") int fstat64(int fd, void *out);
ENV("__syscall_newfstatat") int newfstatat(int dir, const char *path, void *out, int flags);
ENV("__syscall_faccessat") int faccessat(int dir, const char *path, int mode, int flags);
ENV("__syscall_getdents64") int getdents64(int fd, void *out, u32 size);
ENV("__syscall_mkdirat") int mkdirat(int dir, const char *path, int mode);
ENV("__syscall_rmdir") int rmdir(const char *path);
ENV("__syscall_unlinkat") int unlinkat(int dir, const char *path, int flags);
ENV("__syscall_renameat") int renameat(int dir, const char *old, int to, const char *name);
ENV("__syscall_linkat") int linkat(int dir, const char *old, int to, const char *name, int flags);
ENV("__syscall_symlinkat") int symlinkat(const char *target, int dir, const char *path);
ENV("__syscall_readlinkat") int readlinkat(int dir, const char *path, char *out, u32 size);
ENV("__syscall_chmod") int chmod(const char *path, int mode);
ENV("__syscall_fchmod") int fchmod(int fd, int mode);
ENV("__syscall_utimensat") int utimensat(int dir, const char *path, void *times, int flags);
ENV("__syscall_truncate64") int truncate64(const char *path, i64 size);
ENV("__syscall_ftruncate64") int ftruncate64(int fd, u32 low, u32 high); // as builds without BigInt have it
ENV("__syscall_fallocate") int fallocate(int fd, int mode, i64 off, i64 n);
ENV("__syscall_fdatasync") int fdatasync(int fd);
ENV("__syscall_getcwd") int getcwd(char *out, u32 size);
ENV("__syscall_chdir") int chdir(const char *path);
ENV("__syscall_fchdir") int fchdir(int fd);
ENV("__syscall_dup") int dup(int fd);
ENV("__syscall_dup3") int dup3(int fd, int to, int flags);
ENV("__syscall_fcntl64") int fcntl64(int fd, int command, void *more);
ENV("__syscall_ioctl") int ioctl(int fd, int request, void *more);
ENV("__syscall_pipe2") int pipe2(int *fds, int flags);
ENV("__syscall_poll") int poll(void *fds, int n, int timeout);
ENV("__syscall__newselect") int newselect(int n, void *in, void *out, void *wrong, void *timeout);
ENV("__syscall_umask") int umask(int mask);
ENV("__syscall_statfs64") int statfs64(const char *path, u32 size, void *out);
ENV("__syscall_getuid32") int getuid32(void);
ENV("__syscall_socket") int socket(int a, int b, int c, int d, int e, int f);
ENV("_mmap_js") int mmap_js(u32 n, int prot, int flags, int fd, i64 off, u32 *allocated, u32 *at);
ENV("_munmap_js") int munmap_js(u32 at, u32 n, int prot, int flags, int fd, i64 off);
WASI("fd_read") int fd_read(int fd, void *iov, u32 n, u32 *done);
WASI("fd_write") int fd_write(int fd, void *iov, u32 n, u32 *done);
WASI("fd_seek") int fd_seek(int fd, i64 off, int whence, u64 *at);
WASI("fd_close") int fd_close(int fd);

#define HERE -100
#define RDONLY 0
#define WRONLY 1
#define RDWR 2
#define CREAT 0100
#define EXCL 0200
#define TRUNC 01000
#define APPEND 02000
#define NONBLOCK 04000
#define DIRECTORY 0200000
#define NOFOLLOW 0400000
enum { EACCES = 2, EAGAIN = 6, EBADF = 8, EEXIST = 20, EFAULT = 21, EINVAL = 28, EISDIR = 31, ELOOP = 32, ENAMETOOLONG = 37,
	ENOENT = 44, ENOTDIR = 54, ENOTEMPTY = 55, ENOTTY = 59, EPIPE = 64, ERANGE = 68, ESPIPE = 70, EAFNOSUPPORT = 5 };

struct stat { u32 dev, mode, nlink, uid, gid, rdev; i64 size; u32 blksize, blocks; struct { i64 s; u32 ns, pad; } at, mt, ct; u64 ino; };
struct dirent { u64 ino, off; unsigned short len; unsigned char type; char name[261]; };

void *memset(void *to, int c, unsigned long n) {
	for (volatile unsigned char *p = to; n--; p++) *p = c;
	return to;
}

static int len(const char *s) { int n = 0; while (s[n]) n++; return n; }
static int same(const char *a, const char *b) { while (*a && *a == *b) a++, b++; return *a == *b; }
static int put(int fd, const char *s) {
	struct { const char *p; u32 n; } v = {s, len(s)};
	u32 n = 0;
	int e = fd_write(fd, &v, 1, &n);
	return e ? -e : (int)n;
}
static int get(int fd, char *b, u32 size) {
	struct { char *p; u32 n; } v = {b, size - 1};
	u32 n = 0;
	int e = fd_read(fd, &v, 1, &n);
	if (e) return -e;
	b[n] = 0;
	return n;
}
static int opened(const char *path, int flags) {
	int mode = 0666;
	return openat(HERE, path, flags, &mode);
}
static char buf[8192];
static struct stat st;
static unsigned char heap[3 << 16];

__attribute__((export_name("emscripten_builtin_memalign"))) void *memalign(u32 to, u32 n) {
	return n > 1 << 16 ? 0 : (void *)(((u32)heap + to - 1) & -to);
}

TEST(reads) {
	int fd = opened("/data/words.txt", RDONLY);
	CHECK(fd >= 3);
	CHECK(get(fd, buf, sizeof buf) == 11 && same(buf, "hello world"));
	CHECK(get(fd, buf, sizeof buf) == 0);
	CHECK(put(fd, "x") == -EBADF);
	CHECK(ftruncate64(fd, 0, 0) == -EINVAL);
	CHECK(fstat64(fd, &st) == 0 && st.mode == 0100644 && st.size == 11 && st.nlink == 1 && st.blocks == 1 && st.blksize == 4096);
	CHECK(stat64("/data/words.txt", &st) == 0 && st.size == 11 && st.mt.s == 1000000000);
	CHECK(newfstatat(fd, "", &st, 0x1000) == 0 && st.size == 11);
	CHECK(fd_close(fd) == 0 && fd_close(fd) == EBADF);
	CHECK(opened("/data/none", RDONLY) == -ENOENT && opened("", RDONLY) == -ENOENT && openat(HERE, 0, 0, 0) == -EFAULT);
	CHECK(openat(HERE, (char *)-4, 0, 0) == -EFAULT && stat64("/data", (void *)-8) == -EFAULT);
	CHECK(opened("/data/words.txt/x", RDONLY) == -ENOTDIR && opened("/data", WRONLY) == -EISDIR);
	CHECK(opened("/data/words.txt", RDONLY | DIRECTORY) == -ENOTDIR);
	CHECK(opened("/../../data/./../data//words.txt", RDONLY) == fd && fd_close(fd) == 0);
	CHECK(faccessat(HERE, "/data/words.txt", 4, 0) == 0 && faccessat(HERE, "/data/words.txt", 1, 0) == -EACCES && faccessat(HERE, "/x", 0, 0) == -ENOENT);
	for (int i = 0; i < 5000; i++) buf[i] = 'a';
	buf[5000] = 0;
	CHECK(opened(buf, RDONLY) == -ENAMETOOLONG);
	return 0;
}

TEST(writes) {
	int fd = opened("/tmp/new", RDWR | CREAT | EXCL);
	CHECK(fd >= 3 && put(fd, "0123456789") == 10);
	CHECK(opened("/tmp/new", RDWR | CREAT | EXCL) == -EEXIST);
	CHECK(fstat64(fd, &st) == 0 && st.mode == 0100644);
	u64 at;
	CHECK(fd_seek(fd, -4, 2, &at) == 0 && at == 6 && get(fd, buf, 99) == 4 && same(buf, "6789"));
	CHECK(ftruncate64(fd, 4, 0) == 0 && fallocate(fd, 0, 0, 8) == 0 && fstat64(fd, &st) == 0 && st.size == 8);
	CHECK(truncate64("/tmp/new", 2) == 0 && stat64("/tmp/new", &st) == 0 && st.size == 2);
	CHECK(fdatasync(fd) == 0 && fcntl64(fd, 3, 0) == RDWR);
	int flags = APPEND;
	CHECK(fcntl64(fd, 4, &flags) == 0 && fcntl64(fd, 3, 0) == (RDWR | APPEND) && put(fd, "ab") == 2);
	CHECK(fcntl64(fd, 1, 0) == 0 && fcntl64(fd, 99, 0) == -EINVAL && fcntl64(77, 3, 0) == -EBADF);
	CHECK(fd_close(fd) == 0);
	CHECK((fd = opened("/tmp/new", RDONLY)) >= 3 && get(fd, buf, 99) == 4 && same(buf, "01ab") && fd_close(fd) == 0);
	CHECK((fd = opened("/tmp/new", WRONLY | TRUNC)) >= 3 && get(fd, buf, 9) == -EBADF && fd_close(fd) == 0 && stat64("/tmp/new", &st) == 0 && st.size == 0);
	CHECK(umask(077) == 022 && (fd = opened("/tmp/mine", WRONLY | CREAT)) >= 3 && fstat64(fd, &st) == 0 && st.mode == 0100600 && umask(022) == 077);
	CHECK(fchmod(fd, 0640) == 0 && fstat64(fd, &st) == 0 && st.mode == 0100640 && chmod("/tmp/mine", 0400) == 0 && stat64("/tmp/mine", &st) == 0 && st.mode == 0100400);
	struct { i64 s; u32 ns, pad; } times[2] = {{5, 6, 0}, {7, 0x3ffffffe, 0}};
	CHECK(utimensat(HERE, "/tmp/mine", times, 0) == 0 && stat64("/tmp/mine", &st) == 0 && st.at.s == 5 && st.at.ns == 6 && st.mt.s == 1000000000);
	times[1].ns = 8;
	CHECK(utimensat(fd, 0, times, 0) == 0 && stat64("/tmp/mine", &st) == 0 && st.mt.s == 7 && st.mt.ns == 8);
	times[1].ns = 2000000000;
	CHECK(utimensat(HERE, "/tmp/mine", times, 0) == -EINVAL && utimensat(HERE, "/tmp/mine", 0, 0) == 0 && stat64("/tmp/mine", &st) == 0 && st.mt.s == 1000000000);
	CHECK(fd_close(fd) == 0 && unlinkat(HERE, "/tmp/mine", 0) == 0 && unlinkat(HERE, "/tmp/mine", 0) == -ENOENT);
	return 0;
}

static int list(int fd, const char *want) {
	static struct dirent d[4]; // so that it takes several calls
	char names[256];
	int n, at = 0;
	while ((n = getdents64(fd, d, sizeof d)) > 0)
		for (int i = 0; i < n / 280; i++) {
			if (d[i].len != 280) return __LINE__;
			for (int k = 0; d[i].name[k]; k++) names[at++] = d[i].name[k];
			names[at++] = d[i].type == 4 ? '/' : d[i].type == 8 ? ' ' : d[i].type == 10 ? '@' : '?';
		}
	names[at] = 0;
	if (n || at != len(want)) return __LINE__;
	// In any order.
	for (; *want; want++) {
		int has = 0;
		for (int i = 0; i < at; i++)
			if (names[i] == *want) { names[i] = 1, has = 1; break; }
		if (!has) return __LINE__;
	}
	return 0;
}

TEST(folders) {
	CHECK(mkdirat(HERE, "/tmp/d", 0755) == 0 && mkdirat(HERE, "/tmp/d", 0755) == -EEXIST);
	int d = opened("/tmp/d", RDONLY | DIRECTORY);
	CHECK(d >= 3 && mkdirat(d, "e", 0700) == 0);
	for (char c = 'p'; c < 'v'; c++) {
		char name[2] = {c, 0};
		int mode = 0644, fd = openat(d, name, WRONLY | CREAT, &mode);
		CHECK(fd >= 3 && fd_close(fd) == 0);
	}
	CHECK(symlinkat("p", d, "link") == 0);
	CHECK(readlinkat(HERE, "/tmp/d/link", buf, 99) == 1 && buf[0] == 'p' && readlinkat(d, "p", buf, 99) == -EINVAL && readlinkat(d, "link", buf, 0) == -EINVAL);
	CHECK(lstat64("/tmp/d/link", &st) == 0 && (st.mode & 0170000) == 0120000 && stat64("/tmp/d/link", &st) == 0 && (st.mode & 0170000) == 0100000);
	CHECK(newfstatat(d, "link", &st, 0x100) == 0 && (st.mode & 0170000) == 0120000 && openat(d, "link", NOFOLLOW, 0) == -ELOOP);
	CHECK(list(d, "./../e/link@p q r s t u ") == 0);
	u64 at;
	CHECK(list(d, "") == 0 && fd_seek(d, 0, 0, &at) == 0 && list(d, "./../e/link@p q r s t u ") == 0);
	CHECK(getdents64(d, buf, 100) == -EINVAL && getdents64(77, buf, 280) == -EBADF);
	CHECK(linkat(d, "p", d, "same", 0) == 0 && stat64("/tmp/d/same", &st) == 0 && st.nlink == 2);
	CHECK(renameat(d, "q", HERE, "/tmp/d/e/q") == 0 && stat64("/tmp/d/e/q", &st) == 0 && renameat(d, "none", d, "x") == -ENOENT);
	CHECK(rmdir("/tmp/d/e") == -ENOTEMPTY && unlinkat(d, "e/q", 0) == 0 && unlinkat(d, "e", 0) != 0 && unlinkat(d, "e", 0x200) == 0 && rmdir("/tmp/d/p") == -ENOTDIR);
	CHECK(openat(d, "../../data/words.txt", RDONLY, 0) < 0); // beneath a folder that is open there is no way out
	CHECK(fd_close(d) == 0);
	return 0;
}

TEST(here) {
	CHECK(getcwd(buf, 99) == 6 && same(buf, "/data") && getcwd(buf, 5) == -ERANGE && getcwd(buf, 0) == -EINVAL);
	int fd = opened("words.txt", RDONLY);
	CHECK(fd >= 3 && fd_close(fd) == 0 && opened("../data/./words.txt", RDONLY) == fd && fd_close(fd) == 0);
	CHECK(chdir("../tmp") == 0 && getcwd(buf, 99) == 5 && same(buf, "/tmp") && opened("words.txt", RDONLY) == -ENOENT);
	CHECK(chdir("none") == -ENOENT && chdir("/data/words.txt") == -ENOTDIR);
	CHECK(mkdirat(HERE, "sub", 0755) == 0 && (fd = opened("sub", DIRECTORY)) >= 3 && fchdir(fd) == 0 && getcwd(buf, 99) == 9 && same(buf, "/tmp/sub"));
	CHECK(chdir("../../..") == 0 && getcwd(buf, 99) == 2 && same(buf, "/") && chdir("data") == 0 && getcwd(buf, 99) == 6 && fd_close(fd) == 0);
	CHECK(statfs64("/data", 88, buf) == 0 && *(u32 *)(buf + 4) == 4096 && *(u32 *)(buf + 56) == 255 && getuid32() == 0);
	CHECK(socket(0, 0, 0, 0, 0, 0) == -EAFNOSUPPORT && ioctl(1, 0x5413, &fd) == -ENOTTY && ioctl(77, 0x5413, &fd) == -EBADF);
	return 0;
}

TEST(numbers) {
	int fd = opened("/data/words.txt", RDONLY), two = dup(fd), least = 20;
	CHECK(two > fd && get(fd, buf, 6) == 5 && get(two, buf, 99) == 6 && same(buf, " world")); // one position
	CHECK(fcntl64(fd, 0, &least) == 20 && dup3(fd, 30, 0) == 30 && dup3(fd, fd, 0) == -EINVAL && dup3(77, 30, 0) == -EBADF && dup3(fd, 1 << 30, 0) < 0);
	CHECK(fd_close(fd) == 0 && fd_close(20) == 0 && fd_close(30) == 0);
	u64 at;
	CHECK(fd_seek(two, 0, 0, &at) == 0 && get(two, buf, 6) == 5 && fd_close(two) == 0 && get(two, buf, 6) == -EBADF);
	fd = opened("/tmp/over", WRONLY | CREAT);
	CHECK(fd >= 3 && dup3(fd, 1, 0) == 1 && put(1, "to a file") == 9 && stat64("/tmp/over", &st) == 0 && st.size == 9 && fd_close(fd) == 0);
	int p[2];
	struct { int fd; short want, got; } q[4];
	CHECK(pipe2(p, 0) == 0 && get(p[0], buf, 9) == -EAGAIN && get(p[1], buf, 9) == -EBADF && put(p[0], "x") == -EBADF);
	q[0].fd = p[0], q[0].want = 1, q[1].fd = p[1], q[1].want = 4, q[2].fd = 77, q[2].want = 1, q[3].fd = -1, q[3].got = 5;
	CHECK(poll(q, 4, 0) == 2 && q[0].got == 0 && q[1].got == 4 && q[2].got == 0x20 && q[3].got == 0);
	CHECK(put(p[1], "pipe") == 4 && poll(q, 2, -1) == 2 && q[0].got == 1 && get(p[0], buf, 3) == 2 && same(buf, "pi"));
	u32 in[32] = {0}, out[32] = {0};
	in[p[0] / 32] |= 1u << p[0] % 32, out[p[1] / 32] |= 1u << p[1] % 32;
	CHECK(newselect(p[1] + 1, in, out, 0, 0) == 2 && in[0] == 1u << p[0] && out[0] == 1u << p[1]);
	CHECK(get(p[0], buf, 9) == 2 && same(buf, "pe"));
	struct { i64 s; int us, pad; } soon = {0, 1000, 0};
	CHECK(newselect(p[0] + 1, in, 0, 0, &soon) == 0 && in[0] == 0);
	in[2] = 1u << 13; // 77, which is not open: the sets stay as they are
	CHECK(newselect(78, in, out, 0, 0) == -EBADF && in[2] == 1u << 13 && out[0] == 1u << p[1]);
	CHECK(fd_close(p[1]) == 0 && get(p[0], buf, 9) == 0 && poll(q, 1, 0) == 1 && q[0].got == 0x11 && fd_close(p[0]) == 0);
	CHECK(pipe2(p, NONBLOCK) == 0 && fcntl64(p[0], 3, 0) == NONBLOCK && fd_close(p[0]) == 0 && put(p[1], "x") == -EPIPE && fd_close(p[1]) == 0);
	CHECK(poll(q, 1 << 20, 0) == -EINVAL && fstat64(0, &st) == 0 && (st.mode & 0170000) == 0010000);
	return 0;
}

TEST(maps) {
	int fd = opened("/tmp/mapped", RDWR | CREAT);
	u32 at = 0, allocated = 0;
	CHECK(fd >= 3 && put(fd, "some text") == 9);
	CHECK(mmap_js(9, 3, 1, fd, 0, &allocated, &at) == 0 && allocated == 1 && at % 65536 == 0 && same((char *)at, "some text"));
	*(char *)at = 'h';
	CHECK(munmap_js(at, 9, 3, 1, fd, 0) == 0);
	u64 to;
	CHECK(fd_seek(fd, 0, 0, &to) == 0 && get(fd, buf, 99) == 9 && same(buf, "home text") && buf[0] == 'h');
	CHECK(mmap_js(9, 1, 2, fd, 5, &allocated, &at) == 0 && same((char *)at, "text") && mmap_js(9, 1, 2, 77, 0, &allocated, &at) == -EBADF);
	CHECK(mmap_js(1 << 20, 1, 2, fd, 0, &allocated, &at) < 0 && mmap_js(0, 1, 2, fd, 0, &allocated, &at) == -EINVAL);
	return 0;
}
