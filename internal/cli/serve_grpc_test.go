package cli

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/internal/cli/ux"
)

func TestGRPCPort(t *testing.T) {
	for _, c := range []struct{ port, first, want string }{
		{"", "127.0.0.1:8080", ""},
		{"8001", "127.0.0.1:8080", "127.0.0.1:8001"},
		{"8001", "0.0.0.0:8080", "0.0.0.0:8001"},
		{"0", "[::1]:8080", "[::1]:0"},
		{"0.0.0.0:8001", "127.0.0.1:8080", "0.0.0.0:8001"},
		{"nowhere", "127.0.0.1:8080", "!"},
		{"99999", "127.0.0.1:8080", "!"},
		{"-1", "127.0.0.1:8080", "!"},
	} {
		got, err := (&grpcOptions{port: c.port}).address(c.first)
		var usage *ux.UsageError
		if c.want == "!" && !errors.As(err, &usage) || c.want != "!" && (err != nil || got != c.want) {
			t.Errorf("%s beside %s: got %s, %v; want %s", c.port, c.first, got, err, c.want)
		}
	}
}

// A port that is in use is an error that names the flag to type.
func TestGRPCPortInUse(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_, err = (&grpcOptions{port: port}).listen(t.Context(), "127.0.0.1:8080")
	var told *hinted
	if !errors.As(err, &told) || !strings.Contains(told.hint, "--grpc-port ") {
		t.Errorf("got %v", err)
	}
}
