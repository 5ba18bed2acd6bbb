package store_test

import (
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"
)

// onDisk is the place that the files below a folder take.
func onDisk(t *testing.T, dir string) (int64, bool) {
	t.Helper()
	var used int64
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		var st syscall.Stat_t
		if err := syscall.Stat(path, &st); err != nil {
			return err
		}
		used += st.Blocks * 512
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return used, true
}
