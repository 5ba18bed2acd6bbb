package python

import (
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestPlaceWheel(t *testing.T) {
	path := makeWheel(t, t.TempDir(), "my-tool", "1.2", "py3-none-any", "",
		member{"my_tool/__init__.py", "", 0},
		member{"my_tool/__pycache__/x.cpython-311.pyc", "bytecode", 0},
		member{"my_tool/data.bin", "x", 0o755},
		member{"my_tool-1.2.data/scripts/run.sh", "#!python\nprint(1)\n", 0},
		member{"my_tool-1.2.data/purelib/extra_mod.py", "", 0},
		member{"my_tool-1.2.data/data/share/my/x.txt", "hello", 0},
		member{"my_tool-1.2.data/headers/x.h", "", 0},
		member{"my_tool-1.2.dist-info/entry_points.txt", "[console_scripts]\nmy-tool = my_tool.cli:App.run [all]\n[gui_scripts]\nmy-gui=my_tool:gui\n[other]\nx = y:z\n", 0})
	w, err := openWheel(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.closer.Close()
	files, err := w.place(true)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]placed{}
	for _, f := range files {
		got[f.Path] = f
	}
	for path, mode := range map[string]uint32{
		SitePackages + "/my_tool/__init__.py": 0o644, SitePackages + "/my_tool/data.bin": 0o755, SitePackages + "/extra_mod.py": 0o644,
		Scripts + "/run.sh": 0o755, Scripts + "/my-tool": 0o755, Scripts + "/my-gui": 0o755, prefix + "/share/my/x.txt": 0o644, headers + "/my-tool/x.h": 0o644,
		SitePackages + "/my_tool-1.2.dist-info/INSTALLER": 0o644, SitePackages + "/my_tool-1.2.dist-info/REQUESTED": 0o644, SitePackages + "/my_tool-1.2.dist-info/RECORD": 0o644,
	} {
		if f, ok := got[path]; !ok || f.Mode != mode {
			t.Errorf("%s: there %v, mode %o, want %o", path, ok, f.Mode, mode)
		}
		delete(got, path)
	}
	for path := range got {
		if !strings.Contains(path, ".dist-info/") {
			t.Errorf("%s is there too", path)
		}
	}
	text := func(path string) string {
		for _, f := range files {
			if f.Path == path {
				r, err := f.Open()
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				data, _ := io.ReadAll(r)
				return string(data)
			}
		}
		return ""
	}
	if s := text(Scripts + "/my-tool"); !strings.HasPrefix(s, "#!/usr/bin/python\n") || !strings.Contains(s, "from my_tool.cli import App\n") || !strings.Contains(s, "sys.exit(App.run())") {
		t.Errorf("script is %q", s)
	}
	if s := text(Scripts + "/run.sh"); s != "#!/usr/bin/python\nprint(1)\n" {
		t.Errorf("script is %q", s)
	}
	record := text(SitePackages + "/my_tool-1.2.dist-info/RECORD")
	if !strings.Contains(record, "../../../bin/my-tool,sha256=") || strings.Contains(record, "pycache") {
		t.Errorf("RECORD is %q", record)
	}
	if m := w.modules(); !slices.Equal(m, []string{"extra_mod", "my_tool"}) {
		t.Errorf("modules %q", m)
	}
}

func TestBadWheels(t *testing.T) {
	info := "bad-1.0.dist-info/"
	good := []member{
		{info + "METADATA", "Name: bad\nVersion: 1.0\n", 0},
		{info + "WHEEL", "Wheel-Version: 1.0\n", 0},
	}
	record := func(extra string) member {
		sum := sha256.Sum256([]byte(good[0].text))
		return member{info + "RECORD", info + "METADATA," + recordHash(sum[:]) + ",\n" + extra, 0}
	}
	tests := []struct {
		name, file, want string
		members          []member
	}{
		{"outside", "", "bad name", []member{{"../x.py", "", 0}}},
		{"absolute", "", "bad name", []member{{"/etc/passwd", "", 0}}},
		{"backslash", "", "bad name", []member{{`..\x.py`, "", 0}}},
		{"twice", "", "twice", []member{{"x.py", "", 0}, {"x.py", "1", 0}}},
		{"symlink", "", "no plain file", []member{{"x", "/etc", os.ModeSymlink | 0o777}}},
		{"no info", "", "no .dist-info", []member{{"x.py", "", 0}}},
		{"info of another", "", "another package", []member{{"other-1.0.dist-info/METADATA", "", 0}}},
		{"two infos", "", "two .dist-info", append([]member{{"bad-2.0.dist-info/METADATA", "", 0}}, good...)},
		{"format", "", "format 2.0", append([]member{{info + "WHEEL", "Wheel-Version: 2.0\n", 0}}, good[0], record(""))},
		{"native", "bad-1.0-cp315-cp315-linux_x86_64.whl", "native", append(slices.Clone(good), record(""))},
		{"unlisted", "", "not in RECORD", append([]member{{"x.py", "", 0}}, good[0], record(""), good[1])},
		{"changed", "", "not what RECORD says", append(slices.Clone(good), member{info + "RECORD", info + "METADATA,sha256=AAAA,\n" + info + "WHEEL,sha256=AAAA,\n", 0})},
		{"no record", "", "no bad-1.0.dist-info/RECORD", good},
		{"no wheel's name", "bad.whl", "no name of a wheel", good},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := test.file
			if file == "" {
				file = "bad-1.0-py3-none-any.whl"
			}
			_, err := openWheel(writeZip(t, filepath.Join(t.TempDir(), file), test.members))
			var bad *WheelError
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestBadEntryPoints(t *testing.T) {
	for _, line := range []string{"../x = a:b", "x = a;import os:b", "x = a:b()", "x = :b", "a/b = a:b"} {
		path := makeWheel(t, t.TempDir(), "bad", "1.0", "py3-none-any", "",
			member{"bad-1.0.dist-info/entry_points.txt", "[console_scripts]\n" + line + "\n", 0})
		w, err := openWheel(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.place(false); err == nil {
			t.Errorf("%q was taken", line)
		}
		w.closer.Close()
	}
}

func FuzzWheel(f *testing.F) {
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(dir, "bad-1.0-py3-none-any.whl")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Skip()
		}
		w, err := openWheel(path)
		if err != nil {
			return
		}
		defer w.closer.Close()
		files, err := w.place(false)
		if err != nil {
			return
		}
		for _, p := range files {
			if strings.HasPrefix(p.Path, "/") || strings.Contains("/"+p.Path+"/", "/../") {
				t.Errorf("placed at %q", p.Path)
			}
		}
	})
}
