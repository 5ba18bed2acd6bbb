package oipgrpc

import (
	"compress/zlib"
	"fmt"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// deflate reads messages that clients compress as gRPC's text calls deflate, which
// Triton's client offers. It is this server's own: what is registered with gRPC is
// so for the whole process.
type deflate struct{ most int64 }

// Type is how messages say that they are compressed so.
func (deflate) Type() string { return "deflate" }

// Do unpacks a message.
func (d deflate) Do(r io.Reader) ([]byte, error) {
	z, err := zlib.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("unpack message: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(z, d.most+1))
	if err != nil {
		return nil, fmt.Errorf("unpack message: %w", err)
	}
	if int64(len(b)) > d.most {
		return nil, status.Errorf(codes.ResourceExhausted, "the message has more than %d bytes", d.most)
	}
	return b, nil
}
