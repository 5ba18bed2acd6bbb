// What SQLite's shell asks of an operating system: libraries of wasi-libc stand
// in for signals, processor time and process numbers, and files have no modes.
#define _WASI_EMULATED_SIGNAL
#define _WASI_EMULATED_PROCESS_CLOCKS
#define _WASI_EMULATED_GETPID
#include <sys/stat.h>

#define chmod(path, mode) 0
