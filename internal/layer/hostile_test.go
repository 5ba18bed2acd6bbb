package layer_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/wherry-run/wherry/internal/layer"
)

// member is one entry of a hostile archive.
type member struct {
	tar.Header
	data string
}

func reg(name, data string) member {
	return member{tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(data)), Mode: 0o644}, data}
}
func dir(name string) member {
	return member{tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755}, ""}
}
func sym(name, to string) member {
	return member{tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}, ""}
}
func hard(name, to string) member {
	return member{tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: to}, ""}
}
func special(name string, flag byte) member {
	return member{tar.Header{Name: name, Typeflag: flag, Devmajor: 1, Devminor: 3}, ""}
}

// pack writes an archive. Names that the std writer refuses are patched in.
func pack(t testing.TB, members ...member) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, m := range members {
		if err := w.WriteHeader(&m.Header); err != nil {
			t.Fatalf("%s: %v", m.Name, err)
		}
		io.WriteString(w, m.data)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// fixSum makes the checksum of the header at off right again.
func fixSum(b []byte, off int) {
	h := b[off : off+512]
	copy(h[148:156], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:156], fmt.Sprintf("%06o\x00 ", sum))
}

func unpack(ctx context.Context, b []byte, lim layer.Limits) (*layer.Index, error) {
	var m layer.Memory
	return layer.Unpack(ctx, bytes.NewReader(b), &m, lim)
}

// TestHostile: every archive here is refused with a reason and a name, or means
// exactly the paths given. The reasons are the same for unpacking and scanning.
func TestHostile(t *testing.T) {
	many := func(n int, f func(k int) member) []member {
		var out []member
		for k := range n {
			out = append(out, f(k))
		}
		return out
	}
	for _, tt := range []struct {
		name    string
		members []member
		err     error
		culprit string   // the name in the error
		paths   []string // what is left when there is no error
	}{
		{"up", []member{reg("../x", "")}, layer.ErrEscape, "../x", nil},
		{"up inside", []member{dir("a/"), reg("a/../../x", "")}, layer.ErrEscape, "a/../../x", nil},
		{"up and down again", []member{reg("a/../b", "")}, layer.ErrEscape, "a/../b", nil},
		{"up as a directory", []member{dir("../")}, layer.ErrEscape, "../", nil},
		{"up alone", []member{dir("..")}, layer.ErrEscape, "..", nil},
		{"up in a link's name", []member{sym("../x", "y")}, layer.ErrEscape, "../x", nil},
		{"up in a hard link", []member{hard("x", "../../etc/passwd")}, layer.ErrLink, "x", nil},
		{"absolute is the root of the image", []member{reg("/etc/x", "")}, nil, "", []string{"etc/x"}},
		{"many slashes", []member{reg("//etc///x", "")}, nil, "", []string{"etc/x"}},
		{"dots", []member{dir("./"), reg("./a/./b", "")}, nil, "", []string{"", "a/b"}},
		{"names of other systems are names", []member{reg(`C:\x`, ""), reg("con", ""), reg("a:b", ""), reg(`..\..\x`, "")}, nil, "", []string{`..\..\x`, `C:\x`, "a:b", "con"}},
		{"root as a file", []member{reg(".", "x")}, layer.ErrName, "", nil},
		{"root as a hard link", []member{reg("f", ""), hard("./", "f"), reg("x", "")}, layer.ErrName, "", nil},
		{"root as a symlink", []member{sym(".", "f"), reg("x", "")}, layer.ErrName, "", nil},
		{"long name", []member{reg(strings.Repeat("n", 256), "")}, layer.ErrLimit, strings.Repeat("n", 256), nil},
		{"long path", []member{dir(strings.Repeat("n/", 2100))}, layer.ErrLimit, strings.Repeat("n/", 2100), nil},
		{"deep path", []member{reg(strings.Repeat("n/", 1030)+"x", "")}, layer.ErrLimit, strings.Repeat("n/", 1030) + "x", nil},

		{"under a symlink", []member{sym("a", "/etc"), reg("a/x", "")}, layer.ErrParent, "a/x", nil},
		{"under a symlink to the root", []member{sym("a", "/"), reg("a/etc/x", "")}, layer.ErrParent, "a/etc/x", nil},
		{"under a symlink upwards", []member{sym("a", "../.."), dir("a/b/")}, layer.ErrParent, "a/b", nil},
		{"under a file", []member{reg("a", ""), reg("a/x", "")}, layer.ErrParent, "a/x", nil},
		{"directory, then symlink, then entry", []member{dir("a/"), sym("a", "/etc"), reg("a/x", "")}, layer.ErrParent, "a/x", nil},
		{"symlink replaces a directory with all in it", []member{reg("a/x", ""), sym("a", "/etc")}, nil, "", []string{"a"}},
		{"directory replaces a symlink", []member{sym("a", "/etc"), dir("a/"), reg("a/x", "")}, nil, "", []string{"a", "a/x"}},
		{"symlinks out stay words", []member{sym("a", "../../../etc/shadow"), sym("b", "/etc/shadow")}, nil, "", []string{"a", "b"}},
		{"symlink to nothing", []member{sym("a", "")}, layer.ErrName, "a", nil},
		{"symlink to a novel", []member{sym("a", strings.Repeat("x", 5000))}, layer.ErrLimit, "a", nil},
		{"symlink loop", []member{sym("a", "b"), sym("b", "a")}, nil, "", []string{"a", "b"}},

		{"hard link to a symlink", []member{sym("s", "/etc/passwd"), hard("h", "s")}, nil, "", []string{"h", "s"}},
		{"hard link through a symlink", []member{sym("s", "/etc"), hard("h", "s/passwd")}, layer.ErrLink, "h", nil},
		{"hard link to itself", []member{hard("h", "h")}, layer.ErrLink, "h", nil},
		{"hard link to a directory", []member{dir("d/"), hard("h", "d")}, layer.ErrLink, "h", nil},
		{"hard link to the root", []member{hard("h", ".")}, layer.ErrLink, "h", nil},
		{"hard link to a later directory", []member{hard("h", "d"), dir("d/")}, layer.ErrLink, "h", nil},
		{"hard links in a ring", []member{hard("a", "b"), hard("b", "a")}, layer.ErrLink, "a", nil},
		{"hard link, absolute", []member{reg("f", "x"), hard("h", "/f")}, nil, "", []string{"f", "h"}},
		{"hard link over a directory", []member{reg("f", "x"), reg("d/x", ""), hard("d", "f")}, nil, "", []string{"d", "f"}},
		{"hard link under a file", []member{reg("f", "x"), hard("f/h", "f")}, layer.ErrParent, "f/h", nil},

		{"device", []member{special("dev/null", tar.TypeChar)}, layer.ErrType, "dev/null", nil},
		{"disk", []member{special("sda", tar.TypeBlock)}, layer.ErrType, "sda", nil},
		{"pipe", []member{special("pipe", tar.TypeFifo)}, layer.ErrType, "pipe", nil},
		{"unknown type", []member{special("odd", 'Z')}, layer.ErrType, "odd", nil},

		{"whiteout", []member{reg("a/.wh.b", "")}, nil, "", []string{"-a/b"}},
		{"whiteout of up", []member{reg("a/.wh...", "")}, layer.ErrName, "a/.wh...", nil},
		{"whiteout of here", []member{reg("a/.wh..", "")}, layer.ErrName, "a/.wh..", nil},
		{"whiteout of nothing", []member{reg(".wh.", "")}, layer.ErrName, ".wh.", nil},
		{"whiteout as directory", []member{dir(".wh.a/")}, layer.ErrType, ".wh.a/", nil},
		{"whiteout as parent", []member{reg(".wh.a/b", "")}, layer.ErrName, ".wh.a/b", nil},
		{"whiteout as symlink", []member{sym(".wh.a", "/etc")}, layer.ErrType, ".wh.a", nil},
		{"whiteout as device", []member{special(".wh.a", tar.TypeChar)}, layer.ErrType, ".wh.a", nil},
		{"whiteout under a symlink", []member{sym("a", "/etc"), reg("a/.wh.passwd", "")}, layer.ErrParent, "a/passwd", nil},
		{"whiteout with data", []member{reg(".wh.a", "data")}, nil, "", []string{"-a"}},
		{"opaque", []member{reg("a/.wh..wh..opq", "")}, nil, "", []string{"!a"}},
		{"opaque under a symlink", []member{sym("a", "/etc"), reg("a/.wh..wh..opq", "")}, layer.ErrParent, "a/.wh..wh..opq", nil},
		{"opaque, then a file", []member{reg("a/.wh..wh..opq", ""), reg("a", "")}, nil, "", []string{"a"}},
		{"bookkeeping of aufs", []member{reg(".wh..wh.aufs", ""), dir(".wh..wh.plnk/"), reg(".wh..wh.plnk/1.2", "")}, nil, "", nil},

		{"last of two files", []member{reg("a", "1"), reg("a", "22")}, nil, "", []string{"a"}},
		{"file in a directory's place", []member{reg("a/b", ""), reg("a", "")}, nil, "", []string{"a"}},
		{"one name in three spellings", []member{reg("a", "1"), reg("./a", "2"), reg("/a", "3")}, nil, "", []string{"a"}},
		{"too many entries", many(101, func(k int) member { return reg(fmt.Sprint("f", k), "") }), layer.ErrLimit, "f100", nil},
		{"too many headers of one name", many(101, func(k int) member { return reg("f", "") }), layer.ErrLimit, "f", nil},
		{"too many bytes", many(11, func(k int) member { return reg(fmt.Sprint("f", k), strings.Repeat("x", 1000)) }), layer.ErrLimit, "f10", nil},
		{"setuid", []member{{tar.Header{Name: "su", Typeflag: tar.TypeReg, Mode: 0o7777}, ""}}, nil, "", []string{"su"}},
		{"owner that cannot be", []member{{tar.Header{Name: "o", Typeflag: tar.TypeReg, Uid: 1 << 40, Gid: 1 << 40, Format: tar.FormatGNU}, ""}}, nil, "", []string{"o"}},
		{"time that cannot be", []member{{tar.Header{Name: "t", Typeflag: tar.TypeReg, ModTime: time.Unix(1<<50, 0), Format: tar.FormatGNU}, ""}}, nil, "", []string{"t"}},
		{"global header", []member{{tar.Header{Name: "g", Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"path": "../../x"}}, ""}, reg("a", "")}, nil, "", []string{"a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := pack(t, tt.members...)
			lim := layer.Limits{Entries: 100, Bytes: 10_000}
			for how, read := range map[string]func() (*layer.Index, error){
				"unpack": func() (*layer.Index, error) { return unpack(t.Context(), b, lim) },
				"scan": func() (*layer.Index, error) {
					return layer.Scan(t.Context(), bytes.NewReader(b), int64(len(b)), "sha256:"+strings.Repeat("ab", 32), lim)
				},
			} {
				x, err := read()
				var e *layer.EntryError
				switch {
				case tt.err != nil:
					if !errors.Is(err, tt.err) || !errors.As(err, &e) || e.Name != tt.culprit {
						t.Errorf("%s: error %v, want %v of %q", how, err, tt.err, tt.culprit)
					}
				case err != nil:
					t.Errorf("%s: %v", how, err)
				default:
					if got := paths(x); strings.Join(got, "\n") != strings.Join(tt.paths, "\n") {
						t.Errorf("%s: holds %q, want %q", how, got, tt.paths)
					}
				}
			}
		})
	}
}

func paths(x *layer.Index) []string {
	var out []string
	for _, e := range x.Entries {
		p := e.Path
		switch e.Kind {
		case layer.Whiteout:
			p = "-" + p
		case layer.Opaque:
			p = "!" + p
		}
		if e.Mode > 0o1777 || e.UID > 1<<32 {
			p += fmt.Sprintf(" mode %o owner %d", e.Mode, e.UID)
		}
		out = append(out, p)
	}
	return out
}

// TestBroken: archives that are cut or lie.
func TestBroken(t *testing.T) {
	good := pack(t, reg("a", strings.Repeat("x", 2000)), reg("b", "y"))
	size := func(s string) []byte {
		b := bytes.Clone(good)
		copy(b[124:136], s)
		fixSum(b, 0)
		return b
	}
	pax := func(record string) []byte {
		b := pack(t, reg("PaxHeaders.0/a", record), reg("a", "data"))
		b[156] = 'x'
		fixSum(b, 0)
		return b
	}
	for _, tt := range []struct {
		name string
		b    []byte
		want error // nil: no error
	}{
		{"nothing at all", nil, nil},
		{"end mark alone", make([]byte, 1024), nil},
		{"no end mark", good[:512+2048+512+512], nil},
		{"cut in a header", good[:100], layer.ErrTruncated},
		{"cut in data", good[:1000], layer.ErrTruncated},
		{"noise", bytes.Repeat([]byte("noise! "), 1000), layer.ErrFormat},
		{"bad checksum", append([]byte("z"), good[1:]...), layer.ErrFormat},
		{"size beyond the end", size("77777777777\x00"), layer.ErrTruncated},
		{"size that is no number", size("99999999999\x00"), layer.ErrFormat},
		{"negative size", size("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), layer.ErrFormat},
		{"size of 2^62", size("\x80\x00\x00\x00\x40\x00\x00\x00\x00\x00\x00\x00"), layer.ErrLimit},
		{"zero byte in a PAX path", pax("12 path=a\x00b\n"), layer.ErrFormat},
		{"PAX record that is too long", pax("99 path=a\n"), layer.ErrFormat},
		{"PAX size that lies", pax("15 size=100000\n"), layer.ErrTruncated}, // and not the old size,
		{"sparse map of nonsense", pax("21 GNU.sparse.major=1\n21 GNU.sparse.minor=0\n26 GNU.sparse.realsize=9\n"), layer.ErrFormat},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := unpack(t.Context(), tt.b, layer.Limits{})
			if !errors.Is(err, tt.want) && !(err == nil && tt.want == nil) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

// zeros is an endless file.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestBombs(t *testing.T) {
	bomb := func(w io.Writer) {
		tw := tar.NewWriter(w)
		tw.WriteHeader(&tar.Header{Name: "bomb", Typeflag: tar.TypeReg, Size: 512 << 20})
		io.CopyN(tw, zeros{}, 512<<20)
		tw.Close()
	}
	var gz, zs bytes.Buffer
	g := gzip.NewWriter(&gz)
	bomb(g)
	g.Close()
	z, _ := zstd.NewWriter(&zs)
	bomb(z)
	z.Close()
	for name, b := range map[string][]byte{"gzip": gz.Bytes(), "zstd": zs.Bytes()} {
		t.Run(name, func(t *testing.T) {
			r, err := layer.Decompress(bytes.NewReader(b), layer.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			sink := &discard{}
			if _, err := layer.Unpack(t.Context(), r, sink, layer.Limits{}); !errors.Is(err, layer.ErrLimit) {
				t.Errorf("%d bytes became %d: %v", len(b), sink.n, err)
			}
			if sink.n > 100<<20 {
				t.Errorf("%d bytes came out before it was refused", sink.n)
			}
		})
	}
	t.Run("packed twice is not unpacked twice", func(t *testing.T) {
		var twice bytes.Buffer
		g := gzip.NewWriter(&twice)
		g.Write(gz.Bytes())
		g.Close()
		r, err := layer.Decompress(&twice, layer.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := layer.Unpack(t.Context(), r, &discard{}, layer.Limits{}); !errors.Is(err, layer.ErrFormat) && !errors.Is(err, layer.ErrTruncated) {
			t.Errorf("%v", err)
		}
	})
	t.Run("long window", func(t *testing.T) {
		// A frame header that asks for a window of 2 GiB.
		b := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8}, make([]byte, 64)...)
		r, err := layer.Decompress(bytes.NewReader(b), layer.Limits{})
		if err == nil {
			_, err = io.ReadAll(r)
		}
		if !errors.Is(err, layer.ErrFormat) {
			t.Errorf("%v", err)
		}
	})
	t.Run("cut", func(t *testing.T) {
		r, err := layer.Decompress(bytes.NewReader(gz.Bytes()[:1000]), layer.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := layer.Unpack(t.Context(), r, &discard{}, layer.Limits{}); !errors.Is(err, layer.ErrTruncated) {
			t.Errorf("%v", err)
		}
	})
}

type discard struct{ n int64 }

func (d *discard) Put(_ context.Context, r io.Reader) (string, int64, error) {
	n, err := io.Copy(io.Discard, readerOnly{r, d})
	return "sha256:" + strings.Repeat("00", 32), n, err
}

type readerOnly struct {
	io.Reader
	d *discard
}

func (r readerOnly) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.d.n += int64(n)
	return n, err
}

// TestGNU reads what GNU tar writes in all its formats: long names, sparse
// files, hard links, devices.
func TestGNU(t *testing.T) {
	gnu, err := exec.LookPath("tar")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no tar program, and CI has to have one")
		}
		t.Skip("no tar program on this machine")
	}
	src := t.TempDir()
	long := strings.Repeat("directory/", 20) + strings.Repeat("n", 200)
	for name, data := range map[string]string{"a": "A", long: "long", "d/x": strings.Repeat("x", 10_000)} {
		p := filepath.Join(src, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(src, "a"), filepath.Join(src, "b")); err != nil {
		t.Fatal(err)
	}
	holes, err := os.Create(filepath.Join(src, "holes"))
	if err != nil {
		t.Fatal(err)
	}
	holes.WriteAt([]byte("end"), 20<<20)
	holes.Close()
	for _, args := range [][]string{{"--format=gnu"}, {"--format=posix"}, {"--format=gnu", "-S"}, {"--format=posix", "-S"}, {"--format=posix", "-S", "--sparse-version=0.1"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			out, err := exec.Command(gnu, append(args, "-C", src, "-cf", "-", ".")...).Output()
			if err != nil {
				t.Skipf("this tar does not know %q", args)
			}
			var m layer.Memory
			x, err := layer.Unpack(t.Context(), bytes.NewReader(out), &m, layer.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if e := x.Lookup(long); e == nil || e.Size != 4 {
				t.Errorf("long name: %+v", e)
			}
			if a, b := x.Lookup("a"), x.Lookup("b"); a == nil || b == nil || b.Link != "a" {
				t.Errorf("hard link: %+v %+v", a, b)
			}
			e := x.Lookup("holes")
			if e == nil || e.Size != 20<<20+3 {
				t.Fatalf("%+v", e)
			}
			blob, err := m.OpenContent(e.Content.Digest)
			if err != nil {
				t.Fatal(err)
			}
			p := make([]byte, 3)
			if blob.ReadAt(p, 20<<20); string(p) != "end" {
				t.Errorf("%q", p)
			}
			_, err = layer.Scan(t.Context(), bytes.NewReader(out), int64(len(out)), m.PutBytes(out), layer.Limits{})
			if sparse := len(args) > 1; errors.Is(err, layer.ErrSparse) != sparse {
				t.Errorf("scan: %v", err)
			}
		})
	}
}

func TestSparseBomb(t *testing.T) {
	gnu, err := exec.LookPath("tar")
	if err != nil {
		t.Skip("no tar program on this machine")
	}
	src := filepath.Join(t.TempDir(), "huge")
	f, err := os.Create(src)
	if err != nil {
		t.Fatal(err)
	}
	f.Truncate(100 << 30)
	f.Close()
	out, err := exec.Command(gnu, "-S", "-C", filepath.Dir(src), "-cf", "-", "huge").Output()
	if err != nil {
		t.Skipf("this tar makes no sparse archive: %v", err)
	}
	sink := &discard{}
	if _, err := layer.Unpack(t.Context(), bytes.NewReader(out), sink, layer.Limits{}); !errors.Is(err, layer.ErrLimit) || sink.n > 0 {
		t.Errorf("%d bytes became %d: %v", len(out), sink.n, err)
	}
}
