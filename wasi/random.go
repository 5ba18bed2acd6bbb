package wasi

import (
	"crypto/rand"
	"crypto/sha256"
	"io"
	mathrand "math/rand/v2"
	"sync"
)

// SystemRandom returns the operating system's source of randomness.
func SystemRandom() io.Reader { return rand.Reader }

// SeededRandom returns an endless stream of bytes (ChaCha8) that depends on
// the seed alone: the randomness of a build, or of a run that must repeat. It
// is safe for concurrent use; readers that share one share its order.
func SeededRandom(seed []byte) io.Reader {
	return &seeded{stream: mathrand.NewChaCha8(sha256.Sum256(seed))}
}

type seeded struct {
	mu     sync.Mutex
	stream *mathrand.ChaCha8
}

func (s *seeded) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stream.Read(p)
}
