package oci

import (
	"context"
	"errors"
	"io"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Sink takes blobs and documents. A store's lease is one; so is whatever a
// program puts what it pulls into.
type Sink interface {
	// Has reports whether the content is there already, whole and kept.
	Has(ctx context.Context, d digest.Digest) (bool, error)
	// Ingest stores what r delivers under want's digest, or stores nothing.
	// It may return without reading r when it has the content.
	Ingest(ctx context.Context, want ispec.Descriptor, r io.Reader) (ispec.Descriptor, error)
}

// Ranged is a reader for Sink.Ingest whose content can also be had in parts, several at a
// time: a sink that keeps parts asks for those that it lacks, and does not read.
type Ranged interface {
	io.Reader
	// Range reads the bytes from offset from to offset to, the last not included. When
	// reading fails with ErrNoRanges, Read is the only way.
	Range(ctx context.Context, from, to int64) io.ReadCloser
	// Have says how many bytes are there already, for who looks on.
	Have(n int64)
}

// ErrNoRanges says that content can be had from its beginning only.
var ErrNoRanges = errors.New("the content cannot be had in parts")

// Source gives blobs and documents. Open may be called again and again for the
// same digest; every reader starts at the beginning.
type Source interface {
	Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error)
}

// Event tells of one step of a transfer. Done and Total count bytes.
type Event struct {
	Status     Status
	Descriptor ispec.Descriptor
	Done       int64
	Total      int64
}

// Status is what happens to a blob or document.
type Status string

// The steps that an Event can tell of.
const (
	StatusWaiting  Status = "Waiting"
	StatusPulling  Status = "Downloading"
	StatusPulled   Status = "Download complete"
	StatusPushing  Status = "Pushing"
	StatusPushed   Status = "Pushed"
	StatusExists   Status = "Already exists"
	StatusMounted  Status = "Mounted"
	StatusRetrying Status = "Retrying"
)

// Progress is called with every Event, from several goroutines at a time, and
// must return soon. A nil Progress means nobody looks.
type Progress func(Event)

// Report calls p unless it is nil.
func (p Progress) Report(e Event) {
	if p != nil {
		p(e)
	}
}
