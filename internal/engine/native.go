package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// nativeSum is what is known of the file in which wazero keeps machine code.
//
// wazero checks the code itself by a checksum at its end. It does not check the table of function offsets before it or
// what comes after it, and a wrong offset there is a jump to anywhere. So SHA256 covers everything but the code, the
// checksum of the code included: the whole file is covered, without reading hundreds of megabytes twice.
type nativeSum struct {
	Path   string `json:"path,omitempty"` // in the entry, with slashes; empty when there is no machine code
	Size   int64  `json:"size"`
	Code   int64  `json:"code"` // offset of the code
	Length int64  `json:"length"`
	SHA256 string `json:"sha256"`
}

// findNative finds the file with machine code in an entry or draft, as a path in it: the one file in the one folder that
// wazero made there. It is empty when there is none.
func findNative(dir string) (string, error) {
	found := ""
	list, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, d := range list {
		if !d.IsDir() || !strings.HasPrefix(d.Name(), "wazero-") {
			continue
		}
		files, err := os.ReadDir(filepath.Join(dir, d.Name()))
		if err != nil {
			return "", err
		}
		for _, f := range files {
			if found != "" {
				return "", fmt.Errorf("machine code in %s and %s", found, f.Name())
			}
			found = filepath.Join(d.Name(), f.Name())
		}
	}
	return found, nil
}

// sumNative finds the file with machine code in an entry and sums it up.
func sumNative(dir string) (nativeSum, error) {
	var s nativeSum
	path, err := findNative(dir)
	if err != nil || path == "" {
		return s, err
	}
	f, err := os.Open(filepath.Join(dir, path))
	if err != nil {
		return s, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return s, err
	}
	s.Path, s.Size = filepath.ToSlash(path), st.Size()
	s.Code, s.Length = codeSpan(f, s.Size)
	s.SHA256, err = s.hash(f)
	return s, err
}

// codeSpan finds the code in wazero's file: magic, version with its length in a byte, number of functions in four bytes,
// their offsets of eight bytes each, length of the code in eight bytes, code, checksum. For anything else the span is
// empty, and all of the file will be hashed.
func codeSpan(f io.ReaderAt, size int64) (offset, length int64) {
	head := make([]byte, 7)
	if _, err := f.ReadAt(head, 0); err != nil || !bytes.Equal(head[:6], []byte("WAZEVO")) {
		return 0, 0
	}
	at := 7 + int64(head[6])
	var n [8]byte
	if _, err := f.ReadAt(n[:4], at); err != nil {
		return 0, 0
	}
	at += 4 + 8*int64(binary.LittleEndian.Uint32(n[:4]))
	if _, err := f.ReadAt(n[:], at); err != nil {
		return 0, 0
	}
	at += 8
	length = int64(binary.LittleEndian.Uint64(n[:]))
	if length < 0 || length > size-at-4 {
		return 0, 0
	}
	return at, length
}

// hash covers the file without the code.
func (s nativeSum) hash(f io.ReaderAt) (string, error) {
	h := sha256.New()
	end := s.Code + s.Length
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, s.Code)); err != nil {
		return "", err
	}
	if _, err := io.Copy(h, io.NewSectionReader(f, end, s.Size-end)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// open opens the file if it is as noted. It gives nil when there is no machine code.
func (s nativeSum) open(dir string) (*os.File, error) {
	if s.Path == "" {
		return nil, nil
	}
	if !filepath.IsLocal(filepath.FromSlash(s.Path)) || strings.Count(s.Path, "/") != 1 ||
		s.Code < 0 || s.Length < 0 || s.Code > s.Size-s.Length {
		return nil, fmt.Errorf("%w: its machine code is elsewhere", errUnusable)
	}
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(s.Path)))
	if err != nil {
		return nil, err
	}
	if err := s.check(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (s nativeSum) check(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() || st.Size() != s.Size {
		return fmt.Errorf("%w: its machine code has another length", errUnusable)
	}
	sum, err := s.hash(f)
	if err != nil {
		return err
	}
	if sum != s.SHA256 {
		return fmt.Errorf("%w: its machine code is damaged", errUnusable)
	}
	return nil
}
