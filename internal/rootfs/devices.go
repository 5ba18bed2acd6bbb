package rootfs

import (
	"crypto/rand"
	"io"
	"sync"
	"time"
)

// device is what reading and writing a device does. There is no position.
type device struct {
	read, write func(p []byte) (int, error)
	stream      int // and one: a standard stream of whoever opens it; 0 is none
}

// newDevices makes the file system of the devices that need no hardware.
func newDevices(dev uint64, random io.Reader, now func() time.Time) *mount {
	if random == nil {
		random = rand.Reader
	}
	var mu sync.Mutex
	noise := func(p []byte) (int, error) {
		// A source of one container, read by all its instances.
		mu.Lock()
		defer mu.Unlock()
		if _, err := io.ReadFull(random, p); err != nil {
			return 0, EIO
		}
		return len(p), nil
	}
	nothing := func([]byte) (int, error) { return 0, io.EOF }
	zeros := func(p []byte) (int, error) {
		clear(p)
		return len(p), nil
	}
	swallow := func(p []byte) (int, error) { return len(p), nil }
	full := func([]byte) (int, error) { return 0, ENOSPC }
	elsewhere := func([]byte) (int, error) { return 0, EIO } // see File.Stream

	fs := newMemFS(dev, now, memoryStorage{}, 0, 16)
	for _, d := range []struct {
		name string
		device
	}{
		{"full", device{zeros, full, 0}},
		{"null", device{nothing, swallow, 0}},
		{"random", device{noise, swallow, 0}},
		{"stderr", device{elsewhere, elsewhere, 1 + 2}},
		{"stdin", device{elsewhere, elsewhere, 1 + 0}},
		{"stdout", device{elsewhere, elsewhere, 1 + 1}},
		{"urandom", device{noise, swallow, 0}},
		{"zero", device{zeros, swallow, 0}},
	} {
		i := fs.newInode(KindDevice, 0o666)
		i.device = d.device
		fs.root.dir.insert(d.name, i, false)
	}
	fs.m.readOnly = true
	return fs.m
}

// Stream tells whether the file is one of the standard streams, and which: 0, 1
// or 2. What that is knows the program's host; the file itself is good for nothing.
func (f *File) Stream() (n int, ok bool) {
	d, ok := f.f.(*deviceFile)
	if !ok || d.stream == 0 {
		return 0, false
	}
	return d.stream - 1, true
}

// deviceFile is an open device.
type deviceFile struct {
	i *inode
	device
}

func (f *deviceFile) stat() (Stat, error)                    { return f.i.stat() }
func (f *deviceFile) setTimes(Times) error                   { return EROFS }
func (f *deviceFile) readAt(p []byte, _ int64) (int, error)  { return f.read(p) }
func (f *deviceFile) writeAt(p []byte, _ int64) (int, error) { return f.write(p) }
func (f *deviceFile) truncate(int64) error                   { return EINVAL }
func (f *deviceFile) allocate(int64, int64) error            { return ENODEV }
func (f *deviceFile) sync(bool) error                        { return EINVAL }
func (f *deviceFile) readDir(uint64, int) ([]Dirent, error)  { return nil, ENOTDIR }
func (f *deviceFile) close() error                           { return nil }
func (f *deviceFile) appendTo(p []byte) (int64, int, error) {
	n, err := f.write(p)
	return 0, n, err
}
