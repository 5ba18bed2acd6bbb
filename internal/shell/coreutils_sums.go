package shell

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"strconv"
	"strings"
)

func sums(c *call) error {
	o, err := c.parse("c check=c b t quiet status")
	if err != nil {
		return err
	}
	newHash := map[string]func() hash.Hash{"md5sum": md5.New, "sha1sum": sha1.New, "sha256sum": sha256.New, "sha512sum": sha512.New}[c.name]
	return c.eachInput(o.args, func(name string, r io.Reader) error {
		if o.has("c") {
			return checkSums(c, r, newHash, o.has("quiet", "status"))
		}
		sum, err := hashOf(newHash(), r)
		if err != nil {
			return err
		}
		return c.printf("%s  %s\n", sum, name)
	})
}

func hashOf(h hash.Hash, r io.Reader) (string, error) {
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func checkSums(c *call, r io.Reader, newHash func() hash.Hash, quiet bool) error {
	return eachLine(c, r, func(line string) error {
		want, name, ok := strings.Cut(line, " ")
		name = strings.TrimLeft(name, " *")
		if !ok || name == "" {
			return nil
		}
		f, err := c.w.OpenFile(c.path(name), os.O_RDONLY, 0)
		if err != nil {
			c.fail(name, err)
			return nil
		}
		defer f.Close()
		got, err := hashOf(newHash(), cancellable{c, f})
		if err != nil {
			return err
		}
		verdict := "OK"
		if !strings.EqualFold(got, want) {
			verdict, c.status = "FAILED", 1
		}
		if !quiet || verdict != "OK" {
			return c.printf("%s: %s\n", name, verdict)
		}
		return nil
	})
}

func base64Text(c *call) error {
	o, err := c.parse("d w: decode=d wrap=w:")
	if err != nil {
		return err
	}
	wrap, err := strconv.Atoi(o.value("w", "76"))
	if err != nil || wrap < 0 {
		return usageError("invalid wrap size")
	}
	return c.eachInput(o.args, func(_ string, r io.Reader) error {
		if o.has("d") {
			_, err := io.Copy(c.Stdout, base64.NewDecoder(base64.StdEncoding, r))
			return err
		}
		w := &wrapper{w: c.Stdout, width: wrap}
		enc := base64.NewEncoder(base64.StdEncoding, w)
		if _, err := io.Copy(enc, r); err != nil {
			return err
		}
		if err := enc.Close(); err != nil {
			return err
		}
		return w.end()
	})
}

// wrapper breaks its output into lines of width bytes.
type wrapper struct {
	w     io.Writer
	width int
	col   int
}

func (w *wrapper) Write(p []byte) (int, error) {
	n := len(p)
	for w.width > 0 && len(p) > w.width-w.col {
		if _, err := fmt.Fprintf(w.w, "%s\n", p[:w.width-w.col]); err != nil {
			return 0, err
		}
		p, w.col = p[w.width-w.col:], 0
	}
	w.col += len(p)
	_, err := w.w.Write(p)
	return n, err
}

func (w *wrapper) end() error {
	if w.width == 0 || w.col == 0 {
		return nil
	}
	_, err := fmt.Fprintln(w.w)
	return err
}
