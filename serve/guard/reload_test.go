package guard

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// later has a watch look at its files with the next request, not in a while.
func later(w *watched) { w.next.Store(0) }

func put(t *testing.T, file string, text []byte, age time.Duration) {
	t.Helper()
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(age) // filesystems have coarse times
	if err := os.Chtimes(file, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestKeysChange(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	put(t, file, []byte("the-old-key"), -time.Hour)
	var log bytes.Buffer
	k, err := NewKeys("", file, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	known := func(secret string) bool {
		_, ok := k.Name("Bearer "+secret, "")
		return ok
	}
	put(t, file, []byte("the-new-key"), 0)
	if !known("the-old-key") {
		t.Error("the file is looked at with every request")
	}
	later(k.file)
	if known("the-old-key") || !known("the-new-key") {
		t.Error("a changed file of keys is not followed")
	}
	put(t, file, nil, time.Hour)
	later(k.file)
	if !known("the-new-key") || !strings.Contains(log.String(), "no key") || strings.Contains(log.String(), "the-new-key") {
		t.Errorf("an emptied file: log %q", log.String())
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	later(k.file)
	if !known("the-new-key") {
		t.Error("without the file nobody may ask")
	}
}

// certificate makes one of a name.
func certificate(t *testing.T, name string) (cert, key []byte, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), pool
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	cert, key, pool := certificate(t, "one")
	put(t, certFile, cert, -time.Hour)
	put(t, keyFile, key, -time.Hour)
	c, w, err := newTLS(certFile, keyFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }), Config{}), nil)
	s.TLSConfig = c
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.ServeTLS(l, "", "") }()
	defer s.Close()
	who := func(pool *x509.CertPool, most uint16) (string, error) {
		d := tls.Dialer{Config: &tls.Config{RootCAs: pool, MaxVersion: most, NextProtos: []string{"h2"}}} //nolint:gosec
		conn, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			return "", err
		}
		defer conn.Close()
		state := conn.(*tls.Conn).ConnectionState()
		return state.PeerCertificates[0].Subject.CommonName + " " + state.NegotiatedProtocol, nil
	}
	if got, err := who(pool, 0); got != "one h2" || err != nil {
		t.Errorf("%q %v", got, err)
	}
	if _, err := who(pool, tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	cert, key, pool = certificate(t, "two")
	put(t, certFile, cert, 0)
	later(w)
	if _, err := who(pool, 0); err == nil {
		t.Error("a certificate without its key is used")
	}
	put(t, keyFile, key, 0)
	later(w)
	if got, err := who(pool, 0); got != "two h2" || err != nil {
		t.Errorf("%q %v", got, err)
	}
	if _, _, err := TLS(certFile, filepath.Join(dir, "none"), nil); err == nil {
		t.Error("no key is no error")
	}
	if _, _, err := TLS(certFile, "", nil); err == nil {
		t.Error("only a certificate is no error")
	}
}

// FuzzHeaders has clients say anything about who they are and whom they mean: where
// the server is on loopback, whoever is not it is turned away.
func FuzzHeaders(f *testing.F) {
	f.Add("localhost:8080", "http://localhost:8080", "same-origin", "id", "Bearer the-secret-key")
	f.Add("evil.example", "null", "cross-site", strings.Repeat("a", 200), "Basic x")
	f.Add("[::1", "http://[", "", "\x00", "Bearer")
	f.Add("127.0.0.1.", "https://localhost:8080/", "same-site", "", "")
	keys, err := NewKeys("the-secret-key", "", nil)
	if err != nil {
		f.Fatal(err)
	}
	h := Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) }),
		Config{Bound: "127.0.0.1", Keys: keys, Origins: []string{"https://good.example"}})
	f.Fuzz(func(t *testing.T, host, origin, site, id, authorization string) {
		r := httptest.NewRequestWithContext(context.WithoutCancel(t.Context()), "POST", "/", nil)
		r.Host = host
		for name, value := range map[string]string{"Origin": origin, "Sec-Fetch-Site": site, "X-Request-Id": id, "Authorization": authorization} {
			if value != "" {
				r.Header[http.CanonicalHeaderKey(name)] = []string{value}
			}
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get(HeaderID); !sane(got) {
			t.Fatalf("request id %q", got)
		}
		allowed := w.Header().Get("Access-Control-Allow-Origin")
		if allowed != "" && normalOrigin(allowed) != "https://good.example" {
			t.Fatalf("origin %q is allowed", allowed)
		}
		if w.Code != http.StatusTeapot {
			return
		}
		if name, ok := keys.Name(authorization, ""); !ok || name == "" {
			t.Fatal("without a key")
		}
		if !Loopback(hostOf(host)) {
			t.Fatalf("host %q", host)
		}
		if site == "cross-site" && allowed == "" {
			t.Fatalf("of another site, origin %q", origin)
		}
	})
}

// FuzzKeys reads files of keys.
func FuzzKeys(f *testing.F) {
	f.Add("alice alices-secret\n# x\nanother-secret")
	f.Fuzz(func(t *testing.T, text string) {
		k := &Keys{}
		if err := k.read([]byte(text)); err != nil {
			return
		}
		set := *k.set.Load()
		if len(set) == 0 || len(set) > mostKeys {
			t.Fatalf("%d keys", len(set))
		}
		for _, one := range set {
			if one.digest == k.digest("") {
				t.Fatal("the empty key")
			}
		}
	})
}

// nobody answers into nothing.
type nobody struct{ h http.Header }

func (n nobody) Header() http.Header              { return n.h }
func (n nobody) Write(p []byte) (int, error)      { return len(p), nil }
func (n nobody) WriteHeader(int)                  {}
func (n nobody) SetWriteDeadline(time.Time) error { return nil }

func BenchmarkWrap(b *testing.B) {
	keys, err := NewKeys("the-secret-key,another-one", "", nil)
	if err != nil {
		b.Fatal(err)
	}
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) })
	for name, c := range map[string]Config{
		"plain": {Bound: "127.0.0.1"},
		"keys":  {Bound: "127.0.0.1", Keys: keys},
		"log":   {Bound: "127.0.0.1", Access: NewLog(io.Discard, LogJSON)},
	} {
		b.Run(name, func(b *testing.B) {
			h := Wrap(answer, c)
			r := httptest.NewRequestWithContext(b.Context(), "POST", "http://localhost/", nil)
			r.Header.Set("X-Api-Key", "the-secret-key")
			w := nobody{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.h)
				h.ServeHTTP(w, r)
			}
		})
	}
}
