package python

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"sort"
	"strings"
)

// writeLock writes what was installed as requirements with hashes. What an
// earlier instruction locked stays in it.
func writeLock(fsys fs.FS, wheels []*wheel, base installed, p *plan) ([]byte, error) {
	entries := map[string]string{}
	old, err := readBounded(fsys, LockPath, maxRequirementFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read lock: %w", err)
	}
	for _, line := range logicalLines(string(old)) {
		name, _, ok := strings.Cut(line.text, "==")
		_, hash, hashed := strings.Cut(line.text, "--hash=")
		if ok && hashed {
			version, _, _ := strings.Cut(line.text[len(name)+2:], " ")
			entries[canonical(name)] = lockEntry(name, version, strings.TrimSpace(hash))
		}
	}
	for _, w := range wheels {
		entries[w.Name] = lockEntry(w.Name, w.Version, "sha256:"+w.sha256)
	}
	names := make([]string, 0, len(entries))
	for name := range entries {
		names = append(names, name)
	}
	sort.Strings(names)
	var out bytes.Buffer
	out.WriteString("# Chosen for Python 3.15 on wasi/wasm32. COPY it to requirements.txt to pin the image.\n")
	for _, name := range names {
		out.WriteString(entries[name])
	}
	for _, name := range p.used {
		if d, ok := base[name]; ok && d.InBase {
			fmt.Fprintf(&out, "# %s==%s is part of the base\n", name, d.Version)
		}
	}
	return out.Bytes(), nil
}

// lockEntry is one package of the lock file.
func lockEntry(name, version, hash string) string {
	return name + "==" + version + " \\\n    --hash=" + hash + "\n"
}

// HashError is a wheel that is none of those that the requirements allow.
type HashError struct {
	Requirement string
	File        string
	Got         string
}

func (e *HashError) Error() string {
	return fmt.Sprintf("%s: the wheel %s has sha256:%s, which is not among its --hash values\nadd it, if you trust it", e.Requirement, e.File, e.Got)
}

// verifyHashes checks wheels against the hashes in the requirements. Hashes of
// packages of the base are not looked at: these are not installed.
func verifyHashes(wheels []*wheel, asked []checkedRequirement) error {
	allowed := map[string][]string{}
	shown := map[string]string{}
	for _, r := range asked {
		allowed[r.name] = append(allowed[r.name], r.Hashes...)
		shown[r.name] = r.shown()
	}
	for _, w := range wheels {
		hashes := allowed[w.Name]
		if len(hashes) == 0 {
			continue
		}
		found := false
		for _, h := range hashes {
			found = found || h == "sha256:"+w.sha256
		}
		if !found {
			return &HashError{Requirement: shown[w.Name], File: w.file, Got: w.sha256}
		}
	}
	return nil
}
