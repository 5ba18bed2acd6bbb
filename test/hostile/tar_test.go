package hostile

import (
	"bytes"
	"fmt"
	"strings"
)

// entry is one header of a tar archive, written without any of the checks of a
// writer.
type entry struct {
	kind       byte // '0' when it is not set
	name, link string
	data       string
	size       string // the field as it stands; the length of data when empty
	mode       string
	patch      func(header []byte)
}

func file(name string) entry          { return entry{name: name, data: "x"} }
func folder(name string) entry        { return entry{kind: '5', name: name} }
func symlink(name, to string) entry   { return entry{kind: '2', name: name, link: to} }
func hardlink(name, to string) entry  { return entry{kind: '1', name: name, link: to} }
func special(kind byte) entry         { return entry{kind: kind, name: "special"} }
func longName(name string) entry      { return entry{kind: 'L', name: "././@LongLink", data: name + "\x00"} }
func longLink(name string) entry      { return entry{kind: 'K', name: "././@LongLink", data: name + "\x00"} }
func sized(size string) entry         { return entry{name: "f", data: "x", size: size} }
func records(lines ...string) entry   { return entry{kind: 'x', name: "pax", data: paxRecords(lines)} }
func globals(lines ...string) entry   { return entry{kind: 'g', name: "pax", data: paxRecords(lines)} }
func archive(entries ...entry) []byte { return append(headers(entries...), make([]byte, 1024)...) }

// paxRecords gives each line, "key=value", its length.
func paxRecords(lines []string) string {
	var b strings.Builder
	for _, l := range lines {
		n := len(l) + 3
		for n != len(fmt.Sprint(n))+len(l)+2 {
			n = len(fmt.Sprint(n)) + len(l) + 2
		}
		fmt.Fprintf(&b, "%d %s\n", n, l)
	}
	return b.String()
}

// headers is an archive without an end.
func headers(entries ...entry) []byte {
	var out bytes.Buffer
	for _, e := range entries {
		h := make([]byte, 512)
		copy(h[0:100], e.name)
		copy(h[100:108], "0000644\x00")
		if e.mode != "" {
			copy(h[100:108], e.mode)
		}
		copy(h[108:124], "0000000\x000000000\x00")
		copy(h[124:136], fmt.Sprintf("%011o\x00", len(e.data)))
		if e.size != "" {
			copy(h[124:136], e.size)
		}
		copy(h[136:148], "00000000001\x00")
		h[156] = max(e.kind, '0')
		copy(h[157:257], e.link)
		copy(h[257:265], "ustar\x0000")
		if e.patch != nil {
			e.patch(h)
		}
		copy(h[148:156], "        ")
		sum := 0
		for _, b := range h {
			sum += int(b)
		}
		copy(h[148:156], fmt.Sprintf("%06o\x00 ", sum))
		out.Write(h)
		out.WriteString(e.data)
		out.Write(make([]byte, -len(e.data)&511))
	}
	return out.Bytes()
}
