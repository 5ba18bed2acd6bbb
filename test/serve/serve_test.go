// Package serve holds what clients of model servers find in wherry serve: the
// clients themselves, unmodified, call every endpoint that they know and that means
// something here. One server with a few images of the shared home, and one folder of
// Python packages, serve all tests of the package.
package serve

import (
	"bufio"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/wherry-run/wherry/serve/oipgrpc/pb"
	"github.com/wherry-run/wherry/test/dock"
)

// program is the binary, built once for all tests. WHERRY_TEST_BINARY names one that
// is there already.
var program = sync.OnceValues(func() (string, error) {
	if path := given(); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "wherry-serve-")
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, "wherry")
	cmd := exec.Command("go", "build", "-trimpath", "-o", out, "./cmd/wherry")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, text)
	}
	return out, nil
})

// given is a program that is there already.
func given() string {
	return cmp.Or(os.Getenv("WHERRY_TEST_BINARY"), dock.Built(runtime.GOOS, runtime.GOARCH))
}

// shared is the server of those tests that change nothing about it. TestMain ends it.
var shared struct {
	sync.Mutex
	*server
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.server != nil {
		if err := shared.end(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if path, err := program(); err == nil && path != given() {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// server is a process of wherry serve.
type server struct {
	URL  string // of HTTP
	GRPC string // host:port
	cmd  *exec.Cmd
	said *transcript
	done chan error
}

// transcript is what a server said.
type transcript struct {
	mu    sync.Mutex
	lines []string
}

func (t *transcript) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}

// Shared is a server of all images, which no test may stop or unload for long.
func Shared(t testing.TB) *server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		var args []string
		for name, image := range images {
			need(t, image)
			args = append(args, name+"="+image)
		}
		s, err := launch(t, append(args, "--default-model", "iris")...)
		if err != nil {
			t.Fatal(err)
		}
		shared.server = s
	}
	return shared.server
}

// Start is a server of a test's own, which ends with it.
func Start(t testing.TB, args ...string) *server {
	t.Helper()
	s, err := launch(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.end(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// startLimit is how long a server may take to answer: the first on a machine
// compiles its modules.
const startLimit = 10 * time.Minute

var (
	saysURL  = regexp.MustCompile(`answers at (https?://\S+)`)
	saysGRPC = regexp.MustCompile(`gRPC answers at (\S+)`)
)

func launch(t testing.TB, args ...string) (*server, error) {
	t.Helper()
	path, err := program()
	if err != nil {
		return nil, err
	}
	// It outlives the test that needs it first.
	cmd := exec.Command(path, append([]string{"serve", "-p", "0", "--grpc-port", "0"}, args...)...)
	cmd.Env = append(os.Environ(), "WHERRY_HOME="+dock.Home(t))
	pipe, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: cmd, said: &transcript{}, done: make(chan error, 1)}
	ready := make(chan struct{})
	go func() {
		told := false
		for lines := bufio.NewScanner(pipe); lines.Scan(); {
			line := lines.Text()
			s.said.add(line)
			if m := saysGRPC.FindStringSubmatch(line); m != nil && !told {
				s.GRPC, told = m[1], true
				close(ready)
			} else if m := saysURL.FindStringSubmatch(line); m != nil && s.URL == "" {
				s.URL = m[1]
			}
		}
		s.done <- cmd.Wait()
	}()
	select {
	case <-ready:
		return s, nil
	case err := <-s.done:
		return nil, fmt.Errorf("wherry serve %s: %w\n%s", strings.Join(args, " "), errors.Join(err, errors.New("it ended")), s.said)
	case <-time.After(startLimit):
		_ = cmd.Process.Kill()
		return nil, fmt.Errorf("wherry serve %s does not answer\n%s", strings.Join(args, " "), s.said)
	}
}

// end asks the server to end, and waits until it did.
func (s *server) end() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("end the server: %w\n%s", err, s.said)
	}
	select {
	case err := <-s.done:
		if err != nil {
			return fmt.Errorf("the server ended: %w\n%s", err, s.said)
		}
		return nil
	case <-time.After(2 * time.Minute):
		_ = s.cmd.Process.Kill()
		return fmt.Errorf("the server does not end when asked\n%s", s.said)
	}
}

// Python is the host's Python with the clients of testdata/requirements.txt.
func Python(t testing.TB) dock.Program {
	t.Helper()
	list, err := os.ReadFile(filepath.Join("testdata", "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	file, err := filepath.Abs(filepath.Join("testdata", "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	p, _ := dock.Pinned(t, string(list), file)
	p.Env = append(p.Env, "PYTHONDONTWRITEBYTECODE=1")
	p.Limit = 5 * time.Minute
	return p
}

var counted = regexp.MustCompile(`(?m)^(\d+) calls, (\d+) failed$`)

// Calls runs a program of testdata, which calls a server by a client and ends with a
// line that counts. At least so many calls must have been made, and none have failed.
func Calls(t *testing.T, least int, script string, args ...string) {
	t.Helper()
	r := Python(t).Run(t, "", append([]string{filepath.Join("testdata", script)}, args...)...)
	m := counted.FindStringSubmatch(r.Out)
	if m == nil {
		t.Fatalf("%s ended with %d and counted nothing\n%s%s", script, r.Code, r.Out, r.Err)
	}
	made, _ := strconv.Atoi(m[1])
	t.Logf("%s: %s", script, m[0])
	if m[2] != "0" || r.Code != 0 {
		t.Errorf("%s: %s\n%s", script, m[0], r.Err)
	}
	if made < least {
		t.Errorf("%s made %d calls, and there are %d", script, made, least)
	}
}

func TestTriton(t *testing.T) {
	s := Shared(t)
	t.Run("http", func(t *testing.T) { Calls(t, 80, "triton.py", "http", strings.TrimPrefix(s.URL, "http://")) })
	t.Run("grpc", func(t *testing.T) { Calls(t, 60, "triton.py", "grpc", s.GRPC) })
	t.Run("http aio", func(t *testing.T) { Calls(t, 20, "triton_aio.py", "http", strings.TrimPrefix(s.URL, "http://")) })
	t.Run("grpc aio", func(t *testing.T) { Calls(t, 20, "triton_aio.py", "grpc", s.GRPC) })
}

func TestDocument(t *testing.T) {
	typeAgain(t, Shared(t), 5, "## The Open Inference Protocol")
}

func TestTritonByHand(t *testing.T) {
	s := Shared(t)
	Calls(t, 330, "triton_raw.py", strings.TrimPrefix(s.URL, "http://"), s.GRPC)
}

// With TLS and keys, the clients' own ways to give them.
func TestSecured(t *testing.T) {
	need(t, images["cancer"])
	dir, key := t.TempDir(), "a-key-of-the-test"
	keys, cert, private := filepath.Join(dir, "keys"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := os.WriteFile(keys, []byte("tester "+key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	certify(t, cert, private)
	s := Start(t, "--api-key-file", keys, "--tls-cert", cert, "--tls-key", private, "cancer="+images["cancer"])
	named := func(address string) string { return strings.Replace(address, "127.0.0.1", "localhost", 1) }
	Calls(t, 21, "triton_secured.py", named(strings.TrimPrefix(s.URL, "https://")), named(s.GRPC), cert, key)
}

// certify writes a certificate for localhost that signs itself, and its key.
func certify(t *testing.T, cert, private string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	signed, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: signed}, private: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKServe(t *testing.T) {
	s := Shared(t)
	Calls(t, 15, "kserve_client.py", s.URL, s.GRPC)
}

// A server that is asked to end answers what it has taken, and tells those who ask
// on open connections that it is not ready.
func TestEnd(t *testing.T) {
	need(t, images["cancer"])
	lasts, began := loadTime(t, 0, time.Minute), time.Now()
	for once := true; once || time.Since(began) < lasts; once = false {
		endUnderLoad(t)
	}
}

func endUnderLoad(t *testing.T) {
	t.Helper()
	s, err := launch(t, "cancer="+images["cancer"])
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var failed, answered atomic.Int64
	var work sync.WaitGroup
	row := "[" + strings.TrimSuffix(strings.Repeat("1.5,", 30), ",") + "]"
	body := `{"inputs":[{"name":"measurements","shape":[1,30],"datatype":"FP32","data":` + row + `}]}`
	end := make(chan struct{})
	for range 16 {
		work.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			for {
				r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/v2/models/cancer/infer", strings.NewReader(body))
				if err != nil {
					return
				}
				a, err := client.Do(r)
				if err != nil { // nobody listens any more
					return
				}
				_, _ = io.Copy(io.Discard, a.Body)
				a.Body.Close()
				if a.StatusCode != http.StatusOK {
					failed.Add(1)
				} else if answered.Add(1) == 200 {
					close(end)
				}
			}
		})
	}
	conn, err := grpc.NewClient(s.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	called, why := atomic.Int64{}, make(chan error, 16)
	for range 16 {
		work.Go(func() {
			r := &pb.ModelInferRequest{ModelName: "cancer", RawInputContents: [][]byte{make([]byte, 120)},
				Inputs: []*pb.ModelInferRequest_InferInputTensor{{Name: "measurements", Datatype: "FP32", Shape: []int64{1, 30}}}}
			for {
				if _, err := pb.NewGRPCInferenceServiceClient(conn).ModelInfer(ctx, r); err != nil {
					why <- err
					return
				}
				called.Add(1)
			}
		})
	}
	select {
	case <-end:
	case <-ctx.Done():
		t.Fatal("the server answers too slowly")
	}
	if err := s.end(); err != nil {
		t.Error(err)
	}
	work.Wait()
	for range 16 {
		// Whom nobody listened to any more.
		if err := <-why; status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("a call of gRPC ended with %v", err)
		}
	}
	t.Logf("%d requests, %d calls were answered", answered.Load(), called.Load())
	if failed.Load() > 0 {
		t.Errorf("%d requests failed when the server ended, %d were answered", failed.Load(), answered.Load())
	}
}
