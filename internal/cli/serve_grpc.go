package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/wherry-run/wherry/internal/cli/ux"
)

// grpcOptions are the flags of wherry serve for gRPC.
type grpcOptions struct{ port string }

func (o *grpcOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.port, "grpc-port", "", "answer gRPC, too: [HOST:]PORT, as 8001 (default host: that of -p)")
}

// address is where gRPC is answered, "" where it is not; first is where HTTP is.
func (o *grpcOptions) address(first string) (string, error) {
	if o.port == "" {
		return "", nil
	}
	if n, err := strconv.ParseUint(o.port, 10, 16); err == nil {
		host, _, err := net.SplitHostPort(first)
		return net.JoinHostPort(host, strconv.FormatUint(n, 10)), err
	}
	address, ok := parseAddress(o.port)
	if !ok {
		return "", &ux.UsageError{Text: fmt.Sprintf("--grpc-port %s: write a port, as 8001, or HOST:PORT", o.port)}
	}
	return address, nil
}

// listen listens for gRPC where it is wanted.
func (o *grpcOptions) listen(ctx context.Context, first string) (*sockets, error) {
	address, err := o.address(first)
	if err != nil || address == "" {
		return &sockets{}, err
	}
	s, err := listen(ctx, []string{address})
	var told *hinted
	if errors.As(err, &told) { // of -p
		return nil, &hinted{told.error, strings.Replace(told.hint, "-p ", "--grpc-port ", 1)}
	}
	return s, err
}
