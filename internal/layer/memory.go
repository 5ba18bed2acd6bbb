package layer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"sync"
)

// Memory keeps content in memory: a ContentWriter and a Content for programs
// without a store, and for tests. The zero value is ready for use.
type Memory struct {
	mu    sync.RWMutex
	files map[string][]byte
}

// Put reads r to its end and keeps the bytes.
func (m *Memory) Put(ctx context.Context, r io.Reader) (string, int64, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return "", 0, fmt.Errorf("read content: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return "", 0, err
	}
	return m.PutBytes(b), int64(len(b)), nil
}

// PutBytes keeps b, which must not change any more, and returns its digest.
func (m *Memory) PutBytes(b []byte) string {
	sum := sha256.Sum256(b)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files == nil {
		m.files = make(map[string][]byte)
	}
	m.files[digest] = b
	return digest
}

// OpenContent opens what Put has kept.
func (m *Memory) OpenContent(digest string) (Blob, error) {
	m.mu.RLock()
	b, ok := m.files[digest]
	m.mu.RUnlock()
	if !ok {
		return nil, fmt.Errorf("open content %s: %w", digest, fs.ErrNotExist)
	}
	return memoryBlob{bytes.NewReader(b), b}, nil
}

type memoryBlob struct {
	*bytes.Reader
	b []byte
}

func (b memoryBlob) Bytes() []byte { return b.b }
func (memoryBlob) Close() error    { return nil }
