package network

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

// python is the program with the home that has the base.
func python(t *testing.T) dock.Program {
	t.Helper()
	if os.Getenv("WHERRY_TEST_PYTHON") == "" {
		t.Skip("SKIPPED: set WHERRY_TEST_PYTHON=1 to run programs of Python, whose base has to be there or be built")
	}
	return dock.Native(t, dock.Home(t))
}

// site is a server of HTTP.
func site(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/echo":
		_, _ = io.Copy(w, r.Body)
	case "/away":
		http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
	case "/slow":
		select {
		case <-r.Context().Done():
		case <-time.After(10 * time.Second):
		}
	default:
		_, _ = io.WriteString(w, "hello "+r.URL.Path)
	}
}

// each serves every connection of a listener on loopback.
func each(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}

// dictionary speaks Redis' protocol, as much of it as SET and GET.
type dictionary struct {
	mu     sync.Mutex
	values map[string]string
}

func (d *dictionary) serve(c net.Conn) {
	in := bufio.NewReader(c)
	for {
		words, err := command(in)
		if err != nil {
			return
		}
		d.mu.Lock()
		answer := "+OK\r\n"
		switch strings.ToUpper(words[0]) {
		case "GET":
			answer = "$-1\r\n"
			if v, ok := d.values[words[1]]; ok {
				answer = fmt.Sprintf("$%d\r\n%s\r\n", len(v), v)
			}
		case "SET":
			d.values[words[1]] = words[2]
		case "PING":
			answer = "+PONG\r\n"
		case "HELLO":
			answer = "-ERR unknown command\r\n"
		}
		d.mu.Unlock()
		if _, err := io.WriteString(c, answer); err != nil {
			return
		}
	}
}

// command reads an array of strings.
func command(in *bufio.Reader) ([]string, error) {
	n, err := number(in, '*')
	if err != nil || n == 0 {
		return nil, fmt.Errorf("no command: %w", err)
	}
	words := make([]string, n)
	for i := range words {
		size, err := number(in, '$')
		if err != nil {
			return nil, err
		}
		b := make([]byte, size+2)
		if _, err := io.ReadFull(in, b); err != nil {
			return nil, err
		}
		words[i] = string(b[:size])
	}
	return words, nil
}

func number(in *bufio.Reader, kind byte) (int, error) {
	line, err := in.ReadString('\n')
	if err != nil || line[0] != kind {
		return 0, fmt.Errorf("%q: %w", line, err)
	}
	return strconv.Atoi(strings.TrimSpace(line[1:]))
}

// answers speaks PostgreSQL's protocol: with TLS for those who ask, a password, and an
// answer to every simple query.
func answers(config *tls.Config) func(net.Conn) {
	send := func(c net.Conn, kind byte, body ...[]byte) {
		all := []byte{}
		for _, b := range body {
			all = append(all, b...)
		}
		m := binary.BigEndian.AppendUint32([]byte{kind}, uint32(4+len(all)))
		_, _ = c.Write(append(m, all...))
	}
	u16 := func(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
	u32 := func(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
	return func(c net.Conn) {
		for {
			b := make([]byte, 8)
			if _, err := io.ReadFull(c, b); err != nil {
				return
			}
			if binary.BigEndian.Uint32(b[4:]) == 80877103 { // they ask for TLS
				_, _ = c.Write([]byte("S"))
				c = tls.Server(c, config)
				continue
			}
			if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(b))-8); err != nil {
				return
			}
			break
		}
		send(c, 'R', u32(3)) // a password, as it is
		for {
			b := make([]byte, 5)
			if _, err := io.ReadFull(c, b); err != nil {
				return
			}
			text := make([]byte, binary.BigEndian.Uint32(b[1:])-4)
			if _, err := io.ReadFull(c, text); err != nil {
				return
			}
			said := strings.TrimRight(string(text), "\x00")
			switch b[0] {
			case 'p':
				if said != "wherry" {
					return
				}
				send(c, 'R', u32(0))
				send(c, 'S', []byte("client_encoding\x00UTF8\x00"))
				send(c, 'S', []byte("server_version\x0017.0\x00"))
			case 'Q':
				column := func(name string, kind int) []byte {
					return append(append(append(append([]byte(name+"\x00"), u32(0)...), u16(0)...), u32(kind)...), append(append(u16(-1), u32(-1)...), u16(0)...)...)
				}
				send(c, 'T', u16(2), column("a", 25), column("b", 23))
				send(c, 'D', u16(2), u32(len(said)), []byte(said), u32(2), []byte("42"))
				send(c, 'C', []byte("SELECT 1\x00"))
			case 'X':
				return
			}
			send(c, 'Z', []byte("I"))
		}
	}
}

func TestPython(t *testing.T) {
	p := python(t)
	list, err := os.ReadFile("testdata/python/packages.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, packages := dock.Pinned(t, string(list), filepath.Join("testdata", "python", "packages.txt"))
	plain, secure := httptest.NewServer(http.HandlerFunc(site)), httptest.NewTLSServer(http.HandlerFunc(site))
	defer plain.Close()
	defer secure.Close()
	d := &dictionary{values: map[string]string{}}
	redis, sql := each(t, d.serve), each(t, answers(secure.TLS))
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(secure.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"run", "--rm", "-v", folder + ":/ca:ro", "-v", packages + ":/packages:ro", "-v", dock.Root(t) + "/test/network/testdata/python:/t:ro",
		"-e", "PYTHONPATH=/packages", "-e", "CA=/ca/ca.pem", "-e", "KEY=/ca/key.pem", "--allow-net", "127.0.0.1:1"}
	for name, address := range map[string]string{"PLAIN": plain.Listener.Addr().String(), "TLS": secure.Listener.Addr().String(), "REDIS": redis, "SQL": sql} {
		args = append(args, "-e", name+"="+address, "--allow-net", address)
	}
	if os.Getenv("WHERRY_TEST_NETWORK") == "long" {
		args = append(args, "-e", "LONG=1")
	}
	r := p.Run(t, "", append(args, "python", "python", "/t/reaches.py")...)
	if r.Code != 0 || strings.TrimSpace(r.Out) != "" {
		t.Errorf("exit code %d:\n%s\n%s", r.Code, r.Out, r.Err)
	}
	if !strings.Contains(r.Err, "refused: connect to 169.254.169.254:80") {
		t.Errorf("nobody heard of what was refused: %s", r.Err)
	}
	t.Logf("%v: %s", r.Took, r.Err)
}

// TestPythonIsRefused is the table of internal/network's refusals, as a program of Python
// tries them.
func TestPythonIsRefused(t *testing.T) {
	p := python(t)
	reached := each(t, func(c net.Conn) { t.Error("a connection came") })
	_, port, _ := net.SplitHostPort(reached)
	r := p.Run(t, "", "run", "--rm", "-v", dock.Root(t)+"/test/network/testdata/python:/t:ro", "--allow-net", "all,all/udp", "python", "python", "/t/refused.py", port)
	if r.Code != 0 || r.Out != "230 refused\n" {
		t.Errorf("exit code %d:\n%s\n%s", r.Code, r.Out, r.Err)
	}
	if n := strings.Count(r.Err, "refused: connect to"); n < 40 {
		t.Errorf("%d refusals were told: %s", n, r.Err)
	}
}

// TestPythonServes has the library's own server answer at a published port, a thread for
// each request.
func TestPythonServes(t *testing.T) {
	p := python(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := exec.CommandContext(ctx, p.Command[0], "run", "--rm", "-p", "0:8000", "-w", "/usr/bin", "python", "python", "-m", "http.server", "8000")
	c.Env = append(os.Environ(), p.Env...)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 10 * time.Second
	talk, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(talk)
	for lines.Scan() {
		if _, at, ok := strings.Cut(lines.Text(), "port 8000 is at "); ok {
			for range 3 {
				if got := get(t, "http://"+at+"/python"); !strings.HasPrefix(got, "#!") {
					t.Errorf("answer %q", got)
				}
			}
			cancel()
		}
	}
	if err := c.Wait(); ctx.Err() == nil {
		t.Errorf("it said nothing of its port: %v", err)
	}
}
