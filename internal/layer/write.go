package layer

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"time"
)

// AlignMapped is the alignment at which a range of a file can be mapped on
// every OS (Windows wants 64 KiB).
const AlignMapped = 64 << 10

// WriteOptions say how a layer is written.
type WriteOptions struct {
	// Align puts the data of every file of at least that size at a multiple of
	// Align, by a comment in its PAX header that all readers skip. Zero: off.
	Align int64
	// Epoch, when not zero, is the latest time an entry may carry.
	Epoch time.Time
	// KeepOwner writes UID and GID; else everything belongs to 0:0.
	KeepOwner bool
}

// OpenFunc opens the data of a file.
type OpenFunc func(Ref) (io.ReadCloser, error)

// OpenFrom reads file data from c.
func OpenFrom(c Content) OpenFunc {
	return func(ref Ref) (io.ReadCloser, error) {
		b, err := c.OpenContent(ref.Digest)
		if err != nil {
			return nil, err
		}
		return struct {
			io.Reader
			io.Closer
		}{io.NewSectionReader(b, ref.Offset, ref.Size), b}, nil
	}
}

// Write writes the entries as a tar: sorted, in one format, with nothing in it
// that depends on the machine. The entries may come in any order; of hard links
// in the same layer the first name becomes the file.
func Write(ctx context.Context, w io.Writer, entries []Entry, open OpenFunc, o WriteOptions) error {
	sorted, err := writeOrder(entries)
	if err != nil {
		return err
	}
	t := &tarWriter{ctx: ctx, w: w, o: o, open: open}
	for i := range sorted {
		if err := t.entry(&sorted[i]); err != nil {
			return fmt.Errorf("write layer entry %q: %w", clip(sorted[i].Path), err)
		}
	}
	// Two empty blocks end an archive.
	return t.write(make([]byte, 2*tarBlock))
}

// writeOrder sorts a copy and makes the first name of every file the file.
func writeOrder(entries []Entry) ([]Entry, error) {
	x := &Index{Entries: slices.Clone(entries)}
	x.Sort()
	type file struct {
		first string
		e     Entry
	}
	files := make(map[string]*file)
	for i := range x.Entries {
		if e := &x.Entries[i]; e.Kind == File && e.Link == "" {
			files[e.Path] = &file{e: *e}
		}
	}
	for i := range x.Entries {
		e := &x.Entries[i]
		if e.Kind != File {
			continue
		}
		key := e.Path
		if e.Link != "" {
			key = e.Link
		}
		f := files[key]
		switch {
		case f == nil: // a link to a layer below
		case f.first == "":
			f.first = e.Path
			path := e.Path
			*e = f.e
			e.Path = path
		default:
			path := e.Path
			*e = f.e
			e.Path, e.Link, e.Content = path, f.first, Ref{}
		}
	}
	if err := x.Validate(); err != nil {
		return nil, err
	}
	return x.Entries, nil
}

const tarBlock = 512

type tarWriter struct {
	ctx  context.Context
	w    io.Writer
	o    WriteOptions
	open OpenFunc
	pos  int64
}

func (t *tarWriter) write(p []byte) error {
	if err := t.ctx.Err(); err != nil {
		return err
	}
	n, err := t.w.Write(p)
	t.pos += int64(n)
	return err
}

// header is one entry as the archive has it.
type header struct {
	name, link string
	flag       byte
	mode       uint32
	uid, gid   int
	size       int64
	sec, nsec  int64
}

func (t *tarWriter) entry(e *Entry) error {
	h := header{name: e.Path, mode: e.Mode & 0o1777}
	if t.o.KeepOwner {
		h.uid, h.gid = e.UID, e.GID
	}
	h.sec, h.nsec = t.time(e)
	switch e.Kind {
	case Whiteout:
		dir, base := split(e.Path)
		h.name, h.flag, h.mode = join(dir, whiteoutPrefix+base), '0', 0o600
		h.sec, h.nsec, h.uid, h.gid = 0, 0, 0, 0
	case Opaque:
		h.name, h.flag, h.mode = join(e.Path, opaqueName), '0', 0o600
		h.sec, h.nsec, h.uid, h.gid = 0, 0, 0, 0
	case Dir:
		h.name, h.flag = e.Path+"/", '5'
		if e.Path == "" {
			h.name = "./"
		}
	case Symlink:
		h.flag, h.link, h.mode = '2', e.Target, 0o777
	case File:
		if e.Link != "" {
			h.flag, h.link = '1', e.Link
			break
		}
		h.flag, h.size = '0', e.Size
	default:
		return fmt.Errorf("%w: %v", ErrType, e.Kind)
	}
	if err := t.header(&h); err != nil {
		return err
	}
	if h.size == 0 {
		return nil
	}
	return t.data(e)
}

// time is the modification time, not after the epoch.
func (t *tarWriter) time(e *Entry) (sec, nsec int64) {
	ns := e.ModTime
	if !t.o.Epoch.IsZero() {
		ns = min(ns, nanos(t.o.Epoch))
	}
	tm := time.Unix(0, ns)
	return tm.Unix(), int64(tm.Nanosecond())
}

func (t *tarWriter) data(e *Entry) error {
	r, err := t.open(e.Content)
	if err != nil {
		return err
	}
	defer r.Close()
	buf := make([]byte, 256<<10)
	for left := e.Size; left > 0; {
		n, err := r.Read(buf[:min(left, int64(len(buf)))])
		if n > 0 {
			if err := t.write(buf[:n]); err != nil {
				return err
			}
			left -= int64(n)
		}
		if err == io.EOF && left > 0 {
			return fmt.Errorf("%w: %d bytes are missing", ErrTruncated, left)
		}
		if err != nil && err != io.EOF {
			return err
		}
	}
	return t.pad()
}

func (t *tarWriter) pad() error {
	if over := t.pos % tarBlock; over != 0 {
		return t.write(make([]byte, tarBlock-over))
	}
	return nil
}

// header writes the blocks in front of an entry's data: a PAX header when the
// old fields cannot say everything, or when the data has to be aligned.
func (t *tarWriter) header(h *header) error {
	records := paxRecords(h)
	if t.o.Align > 0 && h.size >= t.o.Align {
		records = t.align(records)
	}
	if len(records) > 0 {
		body := encodePAX(records)
		dir, base := split(strings.TrimSuffix(h.name, "/"))
		x := header{name: ascii(join(dir, "PaxHeaders.0/"+base), 100), flag: 'x', mode: 0o644, size: int64(len(body))}
		if err := t.write(x.block()); err != nil {
			return err
		}
		if err := t.write(body); err != nil {
			return err
		}
		if err := t.pad(); err != nil {
			return err
		}
	}
	return t.write(h.block())
}

// record is one keyword of a PAX header.
type record struct{ key, value string }

// paxRecords are the facts that do not fit into the old header.
func paxRecords(h *header) []record {
	var out []record
	if len(h.link) > 100 || !isASCII(h.link) {
		out = append(out, record{"linkpath", h.link})
	}
	if h.nsec != 0 || h.sec < 0 || h.sec > octalMax(12) {
		out = append(out, record{"mtime", paxTime(h.sec, h.nsec)})
	}
	if len(h.name) > 100 || !isASCII(h.name) {
		out = append(out, record{"path", h.name})
	}
	if h.size > octalMax(12) {
		out = append(out, record{"size", fmt.Sprint(h.size)})
	}
	if int64(h.uid) > octalMax(8) {
		out = append(out, record{"uid", fmt.Sprint(h.uid)})
	}
	if int64(h.gid) > octalMax(8) {
		out = append(out, record{"gid", fmt.Sprint(h.gid)})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].key < out[j].key })
	return out
}

// align adds a comment of such a length that the data after the headers begins
// at a multiple of o.Align.
func (t *tarWriter) align(records []record) []record {
	body := int64(len(encodePAX(records)))
	blocks := func(n int64) int64 { return (n + tarBlock - 1) / tarBlock * tarBlock }
	plain := int64(tarBlock)
	if body > 0 {
		plain += tarBlock + blocks(body)
	}
	if (t.pos+plain)%t.o.Align == 0 {
		return records
	}
	// With a comment there is a PAX header in any case; its body gets as many
	// whole blocks as are missing.
	const shortest = 32
	end := t.pos + 2*tarBlock + blocks(body+shortest)
	room := blocks(body+shortest) + (t.o.Align-end%t.o.Align)%t.o.Align - body
	for value := room; value > 0; value-- {
		r := record{"comment", strings.Repeat(" ", int(value))}
		if int64(len(encodePAX([]record{r}))) == room {
			return append([]record{r}, records...)
		}
	}
	return records
}

// encodePAX writes "LENGTH KEY=VALUE\n" where the length counts itself.
func encodePAX(records []record) []byte {
	var out []byte
	for _, r := range records {
		rest := len(r.key) + len(r.value) + 3
		n := rest + len(fmt.Sprint(rest))
		if len(fmt.Sprint(n)) > len(fmt.Sprint(rest)) {
			n++
		}
		out = fmt.Appendf(out, "%d %s=%s\n", n, r.key, r.value)
	}
	return out
}

// paxTime is a decimal number of seconds; nanoseconds count upwards.
func paxTime(sec, nsec int64) string {
	sign := ""
	if sec < 0 {
		sign = "-"
		sec = -sec
		if nsec > 0 {
			sec--
			nsec = 1e9 - nsec
		}
	}
	if nsec == 0 {
		return fmt.Sprintf("%s%d", sign, sec)
	}
	return strings.TrimRight(fmt.Sprintf("%s%d.%09d", sign, sec, nsec), "0")
}

// block is the ustar header.
func (h *header) block() []byte {
	b := make([]byte, tarBlock)
	copy(b[0:100], ascii(h.name, 100))
	octal(b[100:108], int64(h.mode))
	octal(b[108:116], int64(h.uid))
	octal(b[116:124], int64(h.gid))
	octal(b[124:136], h.size)
	octal(b[136:148], h.sec)
	b[156] = h.flag
	copy(b[157:257], ascii(h.link, 100))
	copy(b[257:265], "ustar\x0000")
	octal(b[329:337], 0)
	octal(b[337:345], 0)
	copy(b[148:156], "        ")
	var sum int64
	for _, c := range b {
		sum += int64(c)
	}
	octal(b[148:155], sum)
	b[155] = ' '
	return b
}

// octalMax is the largest number a field of that width can say.
func octalMax(width int) int64 { return 1<<(3*(width-1)) - 1 }

// octal fills a field; a number that does not fit is in the PAX header.
func octal(field []byte, n int64) {
	if n < 0 || n > octalMax(len(field)) {
		n = 0
	}
	copy(field, fmt.Sprintf("%0*o", len(field)-1, n))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 || s[i] < 0x20 {
			return false
		}
	}
	return true
}

// ascii is a name for readers that do not know PAX.
func ascii(s string, limit int) string {
	b := []byte(s)
	for i := range b {
		if b[i] >= 0x80 || b[i] < 0x20 {
			b[i] = '_'
		}
	}
	return string(b[:min(len(b), limit)])
}
