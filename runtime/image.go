package runtime

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
)

// Program wraps a bare module as an Image whose only file is /name, which is
// also its entrypoint.
func Program(name string, wasm []byte) Image {
	sum := sha256.Sum256(wasm)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	index := &layer.Index{Entries: []layer.Entry{
		{Path: "", Kind: layer.Dir, Mode: 0o755},
		{Path: name, Kind: layer.File, Mode: 0o755, Size: int64(len(wasm)),
			Content: layer.Ref{Digest: digest, Size: int64(len(wasm))}},
	}}
	return program{
		config: ispec.ImageConfig{Entrypoint: []string{"/" + name}},
		layers: []layer.Layer{{Index: index, Content: single{digest, wasm}}},
	}
}

type program struct {
	config ispec.ImageConfig
	layers []layer.Layer
}

func (p program) Config() ispec.ImageConfig { return p.config }
func (p program) Layers() []layer.Layer     { return p.layers }

// single is the content of a layer that has one file.
type single struct {
	digest string
	data   []byte
}

func (s single) OpenContent(digest string) (layer.Blob, error) {
	if digest != s.digest {
		return nil, fmt.Errorf("open content %s: %w", digest, fs.ErrNotExist)
	}
	return blob{bytes.NewReader(s.data), s.data}, nil
}

type blob struct {
	*bytes.Reader
	data []byte
}

func (b blob) Bytes() ([]byte, error) { return b.data, nil }
func (blob) Close() error             { return nil }
