package rootfs

import (
	"crypto/sha256"
	"testing"
	"time"
)

// FuzzState decodes any bytes as the state of an upper, with a checksum that
// fits, so that what is behind it is reached.
func FuzzState(f *testing.F) {
	fs := newMemFS(1, nowZero, memoryStorage{}, 1<<30, 1000)
	fs.root.mkdir("d", 0o755)
	_, vf, _ := fs.root.create("f", How{})
	vf.writeAt([]byte("data"), 70_000)
	fs.root.symlink("s", "d/f")
	good, _, err := fs.encodeState()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good[:len(good)-sha256.Size])
	f.Fuzz(func(t *testing.T, b []byte) {
		sum := sha256.Sum256(b)
		x, files, err := decodeState(append(b, sum[:]...))
		if err != nil {
			return
		}
		fs := newMemFS(1, nowZero, memoryStorage{}, 1<<40, 1<<20)
		u := &upper{dir: "there is no such directory", kept: map[uint64]bool{}, open: map[*fileStore]bool{}}
		a := &applier{fs: fs, u: u, files: files}
		for k := range x.Entries {
			if a.apply(&x.Entries[k]) != nil {
				return
			}
		}
	})
}

func nowZero() time.Time { return time.Unix(0, 0) }
