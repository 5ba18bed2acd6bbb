package store

import (
	"os"

	"golang.org/x/sys/unix"
)

// beginWriting has the system begin to write what a file has there, so that syncing it at
// its end does not begin with all of it. It is a hint: the sync tells of failures.
func beginWriting(f *os.File, off, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), off, n, unix.SYNC_FILE_RANGE_WRITE)
}
