package programs

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

// TestSQLite builds the example sqlite, has it do what the machine's own SQLite
// does, and kills it in the middle of a transaction.
func TestSQLite(t *testing.T) {
	dock.Find(t, "clang")
	dock.Find(t, "npm")
	wherry := start(t)
	image, out := "localhost/test-programs:sqlite", t.TempDir()
	wherry.Must(t, "", "build", "-q", "-t", image, filepath.Join(dock.Root(t), "examples", "sqlite"))
	wherry.Must(t, "", "run", "-v", out+":/out", "--entrypoint", "sh", image, "-c", "cp /usr/bin/sqlite3 /out/sqlite3.wasm")

	script, err := os.ReadFile(filepath.Join("testdata", "work.sql"))
	if err != nil {
		t.Fatal(err)
	}
	native := dock.Program{Command: []string{dock.Find(t, "sqlite3"), "-batch"}, Dir: t.TempDir()}
	want := native.Must(t, string(script), "work.db")
	for name, run := range map[string]func(dir string) dock.Program{
		"file": func(dir string) dock.Program {
			return with(wherry, []string{"-v", dir + ":/data", "-w", "/data", filepath.Join(out, "sqlite3.wasm"), "-batch"})
		},
		"image": func(dir string) dock.Program {
			return with(wherry, []string{"-v", dir + ":/data", "-i", image, "-batch"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			expect(t, run(dir).Must(t, string(script), "work.db"), want)
			killed(t, run(dir), dir)
			// What one build of SQLite wrote, another reads.
			native := dock.Program{Command: native.Command, Dir: dir}
			if got := native.Must(t, "", "work.db", "pragma integrity_check; select count(*) from word"); got != "ok\n100000\n" {
				t.Errorf("the machine's own SQLite says of the file: %s", got)
			}
		})
	}
}

// killed starts a transaction that is too large for the cache, kills the program
// when half of it is in the file, and has the next one roll it back.
func killed(t *testing.T, sqlite dock.Program, dir string) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, sqlite.Command[0], append(sqlite.Command[1:], "work.db")...)
	cmd.Env = append(os.Environ(), sqlite.Env...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	if _, err := io.WriteString(in, "pragma cache_size = 20;\nbegin;\nupdate word set weight = -1, text = 'x' || text;\nselect 'half', count(*) from word where weight = -1;\n"); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(said).ReadString('\n')
	if line != "half|100000\n" {
		t.Fatalf("in the transaction it said %q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if info, err := os.Stat(filepath.Join(dir, "work.db-journal")); err != nil || info.Size() < 1<<20 {
		t.Fatalf("no journal is left of the transaction: %v", err)
	}
	got := sqlite.Must(t, "", "work.db", "select count(*), min(weight) > 0, sum(text like 'x%') from word; pragma integrity_check")
	if strings.TrimSpace(got) != "100000|1|0\nok" {
		t.Errorf("after the kill the database holds %q", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "work.db-journal")); err == nil {
		t.Error("the journal is still there")
	}
}
