package hub

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/opencontainers/go-digest"
	"github.com/rogpeppe/go-internal/robustio"

	"github.com/wherry-run/wherry/oci"
)

// The records of a journal: what came to be and what went.
const (
	opName       = "name" // the first: whose journal it is
	opBlob       = "blob"
	opNoBlob     = "no-blob"
	opManifest   = "manifest"
	opNoManifest = "no-manifest"
	opTag        = "tag"
	opNoTag      = "no-tag"
)

// record is one line of a journal.
type record struct {
	Op           string          `json:"op"`
	Name         string          `json:"name,omitempty"` // of the repository, or the tag
	Digest       digest.Digest   `json:"digest,omitempty"`
	Size         int64           `json:"size,omitempty"`
	MediaType    string          `json:"mediaType,omitempty"`
	ArtifactType string          `json:"artifactType,omitempty"`
	Subject      digest.Digest   `json:"subject,omitempty"`
	Refs         []digest.Digest `json:"refs,omitempty"`
	At           int64           `json:"at,omitempty"` // seconds
}

// maxRecord bounds a line: a manifest of as many layers as there may be.
const maxRecord = 1 << 20

// encodeRecord makes a line: a checksum, a space, JSON.
func encodeRecord(r record) ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.ChecksumIEEE(b), b), nil
}

// decodeRecord reads a line without its end.
func decodeRecord(line []byte) (record, error) {
	sum, body, ok := bytes.Cut(line, []byte(" "))
	want, err := strconv.ParseUint(string(sum[:min(len(sum), 16)]), 16, 32)
	if !ok || err != nil || len(sum) != 8 || uint32(want) != crc32.ChecksumIEEE(body) {
		return record{}, errors.New("its checksum is wrong")
	}
	var r record
	if err := json.Unmarshal(body, &r); err != nil {
		return record{}, err
	}
	return r, r.check()
}

// check refuses a record that would not have been written.
func (r *record) check() error {
	digests := append([]digest.Digest(nil), r.Refs...)
	switch r.Op {
	case opName:
		if !oci.IsRepository(r.Name) {
			return fmt.Errorf("%s is not the name of a repository", quote(r.Name))
		}
		return nil
	case opTag, opNoTag:
		if !oci.IsTag(r.Name) {
			return fmt.Errorf("%s is not a tag", quote(r.Name))
		}
		if r.Op == opNoTag {
			return nil
		}
	case opBlob, opNoBlob, opManifest, opNoManifest:
	default:
		return fmt.Errorf("there is no operation %s", quote(r.Op))
	}
	digests = append(digests, r.Digest)
	if r.Subject != "" {
		digests = append(digests, r.Subject)
	}
	for _, d := range digests {
		if _, err := oci.ParseDigest(string(d)); err != nil {
			return err
		}
	}
	if r.Size < 0 || r.Size > oci.MaxBlob {
		return fmt.Errorf("a size is %d", r.Size)
	}
	return nil
}

// readJournal calls apply with every record. Lines that are damaged are left out and
// counted. whole is the length up to the end of the last line: what a killed process
// left behind it is cut off before more is written.
func readJournal(file string, apply func(record)) (whole int64, damaged int, err error) {
	b, err := robustio.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	for {
		i := bytes.IndexByte(b[whole:], '\n')
		if i < 0 {
			return whole, damaged, nil
		}
		line := b[whole : whole+int64(i)]
		whole += int64(i) + 1
		r, err := decodeRecord(line)
		if err != nil || len(line) > maxRecord {
			damaged++
			continue
		}
		apply(r)
	}
}

// appendJournal writes records behind the first whole bytes of a file. A write that
// fails leaves the file as it was.
func appendJournal(file string, whole int64, durable bool, records ...record) (int64, error) {
	var lines []byte
	for _, r := range records {
		line, err := encodeRecord(r)
		if err != nil {
			return 0, err
		}
		lines = append(lines, line...)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	if end > whole {
		if err := f.Truncate(whole); err != nil {
			return 0, err
		}
	}
	_, err = f.WriteAt(lines, whole)
	if err == nil && durable {
		err = f.Sync()
	}
	if err == nil && durable && whole == 0 {
		syncDir(filepath.Dir(file))
	}
	if err != nil {
		_ = f.Truncate(whole) // else it is cut off before the next write
		return 0, err
	}
	return whole + int64(len(lines)), nil
}

// rewriteJournal replaces a file by these records.
func rewriteJournal(file string, records []record) (int64, error) {
	next := file + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	n, err := appendJournal(next, 0, true, records...)
	if err == nil {
		err = robustio.Rename(next, file)
	}
	if err != nil {
		return 0, err
	}
	syncDir(filepath.Dir(file))
	return n, nil
}

// syncDir makes names in dir survive a power failure where the system can do that.
func syncDir(dir string) {
	if f, err := os.Open(dir); err == nil {
		_ = f.Sync() // not on Windows, nor on some network file systems
		_ = f.Close()
	}
}
