package bench

import (
	"io/fs"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forget has the kernel drop what it keeps in memory of the files of a folder, and
// says how many bytes it keeps all the same.
func forget(dir string) (kept int64, err error) {
	unix.Sync() // what is not on the disk yet cannot be dropped
	err = eachFile(dir, func(f *os.File, size int64) error {
		return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
	if err != nil {
		return 0, err
	}
	files, err := inMemory(dir)
	for _, n := range files {
		kept += n
	}
	return kept, err
}

// inMemory is how many bytes of each file of a folder are in memory.
func inMemory(dir string) (map[string]int64, error) {
	files := map[string]int64{}
	page := int64(os.Getpagesize())
	err := eachFile(dir, func(f *os.File, size int64) error {
		if size == 0 {
			return nil
		}
		data, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			return err
		}
		defer unix.Munmap(data)
		pages := make([]byte, (size+page-1)/page)
		_, _, failed := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&data[0])), uintptr(size), uintptr(unsafe.Pointer(&pages[0])))
		if failed != 0 {
			return failed
		}
		for _, p := range pages {
			files[f.Name()] += int64(p&1) * page
		}
		return nil
	})
	return files, err
}

func eachFile(dir string, visit func(f *os.File, size int64) error) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		return visit(f, info.Size())
	})
}
