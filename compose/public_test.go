package compose

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestPublicFiles loads every compose file below a folder of other people's, such as a clone
// of awesome-compose. They are not ours to keep: WHERRY_TEST_COMPOSE_FILES says where they are.
func TestPublicFiles(t *testing.T) {
	dir := os.Getenv("WHERRY_TEST_COMPOSE_FILES")
	if dir == "" {
		t.Skip("NOT TESTED: set WHERRY_TEST_COMPOSE_FILES to a folder of compose files")
	}
	n := 0
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if ok, _ := filepath.Match("*compose.y*ml", d.Name()); err != nil || d.IsDir() || !ok {
			return err
		}
		n++
		f, err := Load(t.Context(), Source{Files: []string{name}, Env: os.Environ()})
		if err != nil {
			t.Error(err)
			return nil
		}
		list := f.Check(true)
		t.Logf("%s: %d services, %d problems", name, len(f.Project.AllServices()), len(list))
		if len(list) == 0 {
			if _, err := f.Plan(); err != nil {
				t.Error(err)
			}
		}
		return nil
	})
	if err != nil || n == 0 {
		t.Errorf("%d files in %s: %v", n, dir, err)
	}
}
