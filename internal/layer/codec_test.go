package layer

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"
)

// FuzzIndex decodes any bytes as an index, with a checksum that fits. What is
// taken encodes to the same index again.
func FuzzIndex(f *testing.F) {
	x := &Index{Entries: []Entry{
		{Path: "", Kind: Dir, Mode: 0o755}, {Path: "a", Kind: Whiteout}, {Path: "a", Kind: Symlink, Target: "b"},
		{Path: "d", Kind: Opaque}, {Path: "d/f", Kind: File, Size: 3, Content: Ref{Digest: digestPrefix + fmt.Sprintf("%064x", 7), Size: 3, Offset: 512}},
		{Path: "d/g", Kind: File, Link: "d/f"},
	}}
	good, err := x.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good[:len(good)-sha256.Size])
	f.Fuzz(func(t *testing.T, b []byte) {
		sum := sha256.Sum256(b)
		var x, y Index
		if x.UnmarshalBinary(append(b, sum[:]...)) != nil {
			return
		}
		again, err := x.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if err := y.UnmarshalBinary(again); err != nil {
			t.Fatal(err)
		}
		third, _ := y.MarshalBinary()
		if !bytes.Equal(again, third) {
			t.Fatal("encoding is not stable")
		}
	})
}

func TestDamagedIndex(t *testing.T) {
	x := &Index{Entries: []Entry{{Path: "a", Kind: Dir}, {Path: "b", Kind: Symlink, Target: "a"}}}
	good, err := x.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for k := range good {
		bad := bytes.Clone(good)
		bad[k] ^= 1
		if err := new(Index).UnmarshalBinary(bad); !errors.Is(err, ErrFormat) {
			t.Errorf("byte %d: %v", k, err)
		}
		if err := new(Index).UnmarshalBinary(good[:k]); !errors.Is(err, ErrFormat) {
			t.Errorf("cut at %d: %v", k, err)
		}
	}
}

func TestValidate(t *testing.T) {
	digest := digestPrefix + fmt.Sprintf("%064x", 7)
	for name, tt := range map[string]struct {
		entries []Entry
		want    error
	}{
		"order":            {[]Entry{{Path: "b", Kind: Dir}, {Path: "a", Kind: Dir}}, ErrUnordered},
		"twice":            {[]Entry{{Path: "a", Kind: Dir}, {Path: "a", Kind: Dir}}, ErrUnordered},
		"two kinds":        {[]Entry{{Path: "a", Kind: Dir}, {Path: "a", Kind: Symlink, Target: "x"}}, ErrUnordered},
		"up":               {[]Entry{{Path: "../a", Kind: Dir}}, ErrEscape},
		"slash":            {[]Entry{{Path: "/a", Kind: Dir}}, ErrName},
		"slash at the end": {[]Entry{{Path: "a/", Kind: Dir}}, ErrName},
		"zero":             {[]Entry{{Path: "a\x00", Kind: Dir}}, ErrName},
		"whiteout's name":  {[]Entry{{Path: ".wh.a", Kind: File}}, ErrName},
		"kind":             {[]Entry{{Path: "a", Kind: 99}}, ErrType},
		"root as a file":   {[]Entry{{Path: "", Kind: File}}, ErrName},
		"below a file":     {[]Entry{{Path: "a", Kind: File}, {Path: "a-b", Kind: File}, {Path: "a/b", Kind: File}}, ErrParent},
		"below a symlink":  {[]Entry{{Path: "a", Kind: Symlink, Target: "x"}, {Path: "a.b", Kind: Dir}, {Path: "a/b/c", Kind: File}}, ErrParent},
		"no digest":        {[]Entry{{Path: "a", Kind: File, Size: 1, Content: Ref{Size: 1}}}, ErrFormat},
		"path as digest":   {[]Entry{{Path: "a", Kind: File, Size: 1, Content: Ref{Size: 1, Digest: "sha256:../../../etc/passwd"}}}, ErrFormat},
		"sizes differ":     {[]Entry{{Path: "a", Kind: File, Size: 1, Content: Ref{Size: 2, Digest: digest}}}, ErrFormat},
		"offset overflows": {[]Entry{{Path: "a", Kind: File, Size: 1 << 62, Content: Ref{Offset: 1 << 62, Size: 1 << 62, Digest: digest}}}, ErrFormat},
		"link to a link":   {[]Entry{{Path: "a", Kind: File}, {Path: "b", Kind: File, Link: "a"}, {Path: "c", Kind: File, Link: "b"}}, ErrLink},
		"link to itself":   {[]Entry{{Path: "a", Kind: File, Link: "a"}}, ErrLink},
		"link up":          {[]Entry{{Path: "a", Kind: File, Link: "../b"}}, ErrLink},
		"mode":             {[]Entry{{Path: "a", Kind: Dir, Mode: 0o4755}}, ErrFormat},
		"good":             {[]Entry{{Path: "a", Kind: Whiteout}, {Path: "a", Kind: Opaque}, {Path: "a", Kind: Dir}, {Path: "a-b", Kind: File}, {Path: "a/b", Kind: File}}, nil},
	} {
		x := &Index{Entries: tt.entries}
		if err := x.Validate(); !errors.Is(err, tt.want) && !(err == nil && tt.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func BenchmarkIndex(b *testing.B) {
	x := &Index{}
	for k := range 50_000 {
		x.Entries = append(x.Entries, Entry{
			Path: fmt.Sprintf("usr/lib/python/site-packages/package%03d/module%05d.py", k/200, k), Kind: File, Mode: 0o644,
			ModTime: time.Now().UnixNano(), Size: int64(k + 1),
			Content: Ref{Digest: digestPrefix + fmt.Sprintf("%064x", k), Size: int64(k + 1)},
		})
	}
	enc, err := x.MarshalBinary()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(enc)))
	for b.Loop() {
		var y Index
		if err := y.UnmarshalBinary(enc); err != nil {
			b.Fatal(err)
		}
	}
}
