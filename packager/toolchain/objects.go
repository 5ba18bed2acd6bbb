package toolchain

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// What files for the linker begin with. Anything else is refused: bitcode of
// LLVM may hold assembler text, which reads files of the host, and a thin
// archive names files elsewhere.
const (
	wasmMagic    = "\x00asm"
	archiveMagic = "!<arch>\n"
)

// maxMembers bounds the files of one archive.
const maxMembers = 100_000

// checkObjects wants every file that the linker may take from the stage to be
// compiled WebAssembly.
func (b ccBuild) checkObjects(w *workshop) error {
	for _, a := range b.args {
		switch ext := strings.ToLower(filepath.Ext(a.path)); {
		case a.flag == "" && (ext == ".o" || ext == ".a"):
			if err := w.checkObject(local(a.path)); err != nil {
				return err
			}
		case a.flag == "-L":
			if err := w.checkLibraries(local(a.path)); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkLibraries checks what -l may find in a folder.
func (w *workshop) checkLibraries(dir string) error {
	entries, err := fs.ReadDir(w.root.FS(), dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "lib") || e.IsDir() {
			continue
		}
		if err := w.checkObject(path.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// checkObject wants a file of the stage to be a WebAssembly object, or an
// archive of such.
func (w *workshop) checkObject(name string) error {
	f, err := w.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // for the linker to report
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := compiled(f); err != nil {
		return &Error{What: "/" + name, Why: err.Error(), Advice: "compile it in this stage: clang -c -o FILE.o FILE.c"}
	}
	return nil
}

func compiled(f *os.File) error {
	head := make([]byte, len(archiveMagic))
	n, err := io.ReadFull(f, head)
	switch {
	case strings.HasPrefix(string(head[:n]), wasmMagic):
		return nil
	case err != nil || string(head) != archiveMagic:
		return errors.New("it is no WebAssembly object and no archive of such")
	}
	at := int64(len(archiveMagic))
	for range maxMembers {
		var header [60]byte
		if n, err := f.ReadAt(header[:], at); n == 0 && errors.Is(err, io.EOF) {
			return nil
		} else if n < len(header) {
			return errors.New("the archive is cut off")
		}
		size, err := strconv.ParseInt(strings.TrimSpace(string(header[48:58])), 10, 64)
		if err != nil || size < 0 {
			return errors.New("the archive is damaged")
		}
		at += int64(len(header))
		if member := strings.TrimSpace(string(header[:16])); !isTable(member) {
			var magic [len(wasmMagic)]byte
			if n, _ := f.ReadAt(magic[:], at); string(magic[:n]) != wasmMagic {
				return fmt.Errorf("the archive's %s is no WebAssembly object", strings.TrimSuffix(member, "/"))
			}
		}
		at += size + size&1
	}
	return fmt.Errorf("the archive has more than %d files", maxMembers)
}

// isTable reports whether an archive's member is its table of symbols or of
// long names.
func isTable(member string) bool { return member == "/" || member == "//" || member == "/SYM64/" }
