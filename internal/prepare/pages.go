package prepare

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The encoding of a memory: magic and version, its length, and runs of pages. A run is how many pages lie between it and
// the one before, how many it has, and their bytes; a run of none ends the list. Numbers are unsigned LEB128. What no run
// covers is as in the memory that the pages are laid over, or zero.
const (
	pagesMagic = "WPGS\x01"
	pageBytes  = 4096
)

var errPages = errors.New("the pages of a memory are damaged")

// EncodePages writes what of a memory differs from base, which may be shorter or nil for zeros. The same memories give
// the same bytes.
func EncodePages(w io.Writer, memory, base []byte) error {
	b := bufio.NewWriterSize(w, 1<<16)
	b.WriteString(pagesMagic)
	number := func(n int) { b.Write(binary.AppendUvarint(nil, uint64(n))) }
	number(len(memory))
	last := 0
	for at := 0; at < len(memory); {
		if !pageDiffers(memory, base, at) {
			at += pageBytes
			continue
		}
		end := at + pageBytes
		for end < len(memory) && pageDiffers(memory, base, end) {
			end += pageBytes
		}
		end = min(end, len(memory))
		number((at - last) / pageBytes)
		number((end - at + pageBytes - 1) / pageBytes)
		b.Write(memory[at:end])
		at = end
		last = end
	}
	number(0)
	number(0)
	return b.Flush()
}

// PageBytes is how many bytes of pages EncodePages would write.
func PageBytes(memory, base []byte) (n int) {
	for at := 0; at < len(memory); at += pageBytes {
		if pageDiffers(memory, base, at) {
			n += pageBytes
		}
	}
	return n
}

// zeroPage is what a page is that nobody wrote to.
var zeroPage [pageBytes]byte

func pageDiffers(memory, base []byte, at int) bool {
	page := memory[at:min(at+pageBytes, len(memory))]
	if at >= len(base) {
		return !bytes.Equal(page, zeroPage[:len(page)])
	}
	under := base[at:min(at+pageBytes, len(base))]
	if len(under) < len(page) {
		return true
	}
	return !bytes.Equal(page, under[:len(page)])
}

// DecodePages lays pages over a file that is to be a memory of size bytes, and reads r to its end.
func DecodePages(r io.Reader, size uint64, w io.WriterAt) error {
	b := bufio.NewReaderSize(r, 1<<16)
	magic := make([]byte, len(pagesMagic))
	if _, err := io.ReadFull(b, magic); err != nil || string(magic) != pagesMagic {
		return errors.Join(errPages, err)
	}
	var err error
	number := func() (n uint64) {
		if err == nil {
			n, err = binary.ReadUvarint(b)
		}
		return n
	}
	if length := number(); err != nil || length > size {
		return fmt.Errorf("%w: %d bytes for a memory of %d", errPages, length, size)
	}
	buf := make([]byte, 64*pageBytes)
	at := uint64(0)
	for {
		gap, count := number(), number()
		if err != nil {
			return errors.Join(errPages, err)
		}
		if count == 0 {
			break
		}
		if pages := size / pageBytes; gap > pages || count > pages || at+(gap+count)*pageBytes > size {
			return fmt.Errorf("%w: pages behind the end", errPages)
		}
		at += gap * pageBytes
		for left := count * pageBytes; left > 0; {
			part := buf[:min(left, uint64(len(buf)))]
			if _, err := io.ReadFull(b, part); err != nil {
				return errors.Join(errPages, err)
			}
			if _, err := w.WriteAt(part, int64(at)); err != nil {
				return err
			}
			at += uint64(len(part))
			left -= uint64(len(part))
		}
	}
	if _, err := b.ReadByte(); err != io.EOF {
		return errors.Join(errPages, err)
	}
	return nil
}
