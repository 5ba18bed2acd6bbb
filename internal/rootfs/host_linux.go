package rootfs

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func fillTimes(st *Stat, s *syscall.Stat_t) {
	st.Atime = time.Unix(s.Atim.Sec, s.Atim.Nsec)
	st.Mtime = time.Unix(s.Mtim.Sec, s.Mtim.Nsec)
	st.Ctime = time.Unix(s.Ctim.Sec, s.Ctim.Nsec)
}

func timespecs(atime, mtime time.Time) [2]unix.Timespec {
	return [2]unix.Timespec{unix.NsecToTimespec(atime.UnixNano()), unix.NsecToTimespec(mtime.UnixNano())}
}

// futimens is utimensat without a name, which means the descriptor itself.
func futimens(fd int, ts *[2]unix.Timespec) error {
	_, _, e := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(ts)), 0, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}
