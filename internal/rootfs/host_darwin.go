package rootfs

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func fillTimes(st *Stat, s *syscall.Stat_t) {
	st.Atime = time.Unix(s.Atimespec.Sec, s.Atimespec.Nsec)
	st.Mtime = time.Unix(s.Mtimespec.Sec, s.Mtimespec.Nsec)
	st.Ctime = time.Unix(s.Ctimespec.Sec, s.Ctimespec.Nsec)
}

func timespecs(atime, mtime time.Time) [2]unix.Timespec {
	return [2]unix.Timespec{unix.NsecToTimespec(atime.UnixNano()), unix.NsecToTimespec(mtime.UnixNano())}
}

// futimens sets the times of an open file, in microseconds: the call with
// nanoseconds is not to be had without a name.
func futimens(fd int, ts *[2]unix.Timespec) error {
	tv := []unix.Timeval{unix.NsecToTimeval(ts[0].Nano()), unix.NsecToTimeval(ts[1].Nano())}
	return unix.Futimes(fd, tv)
}
