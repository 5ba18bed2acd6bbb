package sock

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/wherry-run/wherry/wasi/preview1"
)

// Bounds of what a guest says of TLS.
const (
	maxRoots      = 8 // sets of authorities that are kept
	maxAuthority  = 4096
	maxProtocols  = 32
	maxChain      = 16
	handshakeTime = 60 * time.Second
)

// How a peer is looked at: Python's numbers.
const verifyNone = 0

// settings are what a guest wants of a TLS connection, which ends in the host.
type settings struct {
	// Server is for the side that was connected to, with Cert and Key in PEM; the
	// other side may have some as well.
	Server bool   `json:"server"`
	Cert   string `json:"cert"`
	Key    string `json:"key"`
	// Name is that of the server.
	Name string `json:"name"`
	// Verify is 0 for a peer that is not looked at, 1 for one that may have no
	// certificate, 2 for one that must have; Hostname tells whether it must be of Name.
	Verify   int  `json:"verify"`
	Hostname bool `json:"hostname"`
	// System has the authorities that this machine trusts count, Roots are digests
	// of others, which came with "roots".
	System bool     `json:"system"`
	Roots  []string `json:"roots"`
	// Min and Max are versions, 0 for what is usual.
	Min uint16 `json:"min"`
	Max uint16 `json:"max"`
	// Protocols are offered by ALPN.
	Protocols []string `json:"protocols"`
}

// secured is what there is to know of a TLS connection.
type secured struct {
	Version  string   `json:"version"`
	Cipher   string   `json:"cipher"`
	Bits     int      `json:"bits"`
	Protocol string   `json:"protocol,omitempty"`
	Resumed  bool     `json:"resumed,omitempty"`
	Chain    []string `json:"chain,omitempty"` // of the peer, DER in base64, its own first
}

// failure is why there is no TLS connection, in OpenSSL's words.
type failure struct {
	Reason string `json:"reason"`           // CERTIFICATE_VERIFY_FAILED
	Text   string `json:"text"`             // half a sentence
	Verify int    `json:"verify,omitempty"` // the number of what is wrong with a certificate
	EOF    bool   `json:"eof,omitempty"`
}

// authorities are certificates that somebody trusts.
type authorities struct{ list []*x509.Certificate }

// addRoots keeps authorities in PEM or DER, and answers with their digest.
func (o *office) addRoots(data []byte) *reply {
	a := &authorities{}
	for rest := data; len(a.list) < maxAuthority; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if c, err := x509.ParseCertificate(b.Bytes); err == nil && strings.HasSuffix(b.Type, "CERTIFICATE") {
			a.list = append(a.list, c)
		}
	}
	if len(a.list) == 0 {
		list, err := x509.ParseCertificates(data)
		if err != nil || len(list) == 0 {
			return &reply{Errno: preview1.EINVAL, Failed: &failure{Reason: "NO_CERTIFICATE_OR_CRL_FOUND", Text: "no certificate or crl found"}}
		}
		a.list = list[:min(len(list), maxAuthority)]
	}
	if len(o.roots) >= maxRoots {
		clear(o.roots)
	}
	sum := sha256.Sum256(data)
	key := hex.EncodeToString(sum[:])
	o.roots[key] = a
	return &reply{Text: key, Count: uint32(len(a.list))}
}

// pool is what a connection trusts; nil is what this machine does. A set that is not
// kept any more is missing.
func (o *office) pool(s *settings) (pool *x509.CertPool, missing string, err error) {
	if len(s.Roots) == 0 && s.System {
		return nil, "", nil
	}
	if pool = x509.NewCertPool(); s.System {
		if pool, err = x509.SystemCertPool(); err != nil {
			return nil, "", err
		}
	}
	for _, key := range s.Roots {
		a := o.roots[key]
		if a == nil {
			return nil, key, nil
		}
		for _, c := range a.list {
			pool.AddCert(c)
		}
	}
	return pool, "", nil
}

// prepare makes of what a guest says what the host's TLS is told, or an answer why not.
func (o *office) prepare(s *settings) (*tls.Config, *reply) {
	if s == nil || len(s.Protocols) > maxProtocols || len(s.Roots) > maxRoots || len(s.Name) > maxHost {
		return nil, fail(preview1.EINVAL)
	}
	pool, missing, err := o.pool(s)
	switch {
	case missing != "":
		return nil, &reply{Errno: preview1.ENOENT, Text: missing}
	case err != nil:
		return nil, &reply{Errno: preview1.EIO, Failed: &failure{Reason: "SYSTEM_LIBRARY", Text: "this machine has no list of authorities"}}
	}
	config, failed := s.config(pool)
	if failed != nil {
		return nil, &reply{Errno: preview1.EINVAL, Failed: failed}
	}
	return config, nil
}

// secure makes a TLS connection of one.
func (o *office) secure(ctx context.Context, m message) *reply {
	s := m.TLS
	config, r := o.prepare(s)
	if r != nil {
		return r
	}
	e := o.sockets.Secure(ctx, m.FD, patience(m.Timeout), func(ctx context.Context, raw net.Conn) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, handshakeTime)
		defer cancel()
		c := tls.Client(raw, config)
		if s.Server {
			c = tls.Server(raw, config)
		}
		if err := c.HandshakeContext(ctx); err != nil {
			go raw.Close() // which waits until the other side has heard why
			return nil, &handshakeError{err}
		}
		return c, nil
	})
	return o.secured(m.FD, e)
}

// handshakeError is a handshake that failed.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

// config is what the host's TLS is told.
func (s *settings) config(pool *x509.CertPool) (*tls.Config, *failure) {
	c := &tls.Config{
		ServerName: s.Name, MinVersion: s.Min, MaxVersion: s.Max, NextProtos: s.Protocols,
		RootCAs: pool, ClientCAs: pool,
		InsecureSkipVerify: true, // look, below, does it: a name may not be wanted
	}
	if c.MinVersion == 0 {
		c.MinVersion = tls.VersionTLS12
	}
	if s.Cert != "" {
		pair, err := tls.X509KeyPair([]byte(s.Cert), []byte(s.Key))
		if err != nil {
			return nil, &failure{Reason: "PEM_LIB", Text: "the certificate and its key cannot be read, or are not of each other"}
		}
		c.Certificates = []tls.Certificate{pair}
	}
	switch {
	case s.Server && s.Cert == "":
		return nil, &failure{Reason: "NO_CERTIFICATE_ASSIGNED", Text: "a server needs a certificate"}
	case s.Server:
		c.ClientAuth = [...]tls.ClientAuthType{tls.NoClientCert, tls.VerifyClientCertIfGiven, tls.RequireAndVerifyClientCert}[min(max(s.Verify, 0), 2)]
	case s.Verify != verifyNone:
		c.VerifyConnection = func(state tls.ConnectionState) error { return s.look(state, pool) }
	}
	if s.Name == "" && !s.Server && s.Hostname && s.Verify != verifyNone {
		return nil, &failure{Reason: "NO_SERVER_NAME", Text: "a server is looked at by its name, and none is given"}
	}
	return c, nil
}

// look looks at a server's certificates.
func (s *settings) look(state tls.ConnectionState, pool *x509.CertPool) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the server has no certificate")
	}
	opts := x509.VerifyOptions{Roots: pool, Intermediates: x509.NewCertPool()}
	if s.Hostname {
		opts.DNSName = s.Name
	}
	for _, c := range state.PeerCertificates[1:] {
		opts.Intermediates.AddCert(c)
	}
	_, err := state.PeerCertificates[0].Verify(opts)
	return err
}

// secured is the answer when a handshake has ended, or still goes on.
func (o *office) secured(fd uint32, e preview1.Errno) *reply {
	if e != preview1.ESUCCESS {
		r := fail(e)
		failed := &handshakeError{}
		if errors.As(o.sockets.Cause(fd), &failed) {
			r.Failed = explain(failed.err)
		}
		return r
	}
	c, ok := o.sockets.Conn(fd).(*tls.Conn)
	if !ok {
		return fail(preview1.EINVAL)
	}
	return &reply{TLS: describe(c.ConnectionState())}
}

func versionName(v uint16) string { return strings.Replace(tls.VersionName(v), " ", "v", 1) }

// cipherName is OpenSSL's name of a suite: those before TLS 1.3 have others there.
func cipherName(id uint16) string {
	name := tls.CipherSuiteName(id)
	before, after, old := strings.Cut(strings.TrimPrefix(name, "TLS_"), "_WITH_")
	if !old {
		return name
	}
	after = strings.NewReplacer("AES_", "AES", "_CBC_", "_", "CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305").Replace(after)
	return strings.ReplaceAll(strings.TrimPrefix(before+"_", "RSA_")+after, "_", "-")
}

func cipherBits(id uint16) int {
	if strings.Contains(tls.CipherSuiteName(id), "AES_128") {
		return 128
	}
	return 256
}

// explain says why a handshake failed as OpenSSL would.
func explain(err error) *failure {
	verify := func(number int, text string) *failure {
		return &failure{Reason: "CERTIFICATE_VERIFY_FAILED", Text: text, Verify: number}
	}
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var roots x509.SystemRootsError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &unknown):
		if c := unknown.Cert; c != nil && bytes.Equal(c.RawIssuer, c.RawSubject) {
			return verify(18, "self-signed certificate")
		}
		return verify(20, "unable to get local issuer certificate")
	case errors.As(err, &host):
		return verify(62, "Hostname mismatch, certificate is not valid for '"+host.Host+"'.")
	case errors.As(err, &invalid):
		switch invalid.Reason {
		case x509.Expired:
			if invalid.Cert != nil && time.Now().Before(invalid.Cert.NotBefore) {
				return verify(9, "certificate is not yet valid")
			}
			return verify(10, "certificate has expired")
		case x509.NotAuthorizedToSign:
			return verify(24, "invalid CA certificate")
		case x509.IncompatibleUsage:
			return verify(26, "unsuitable certificate purpose")
		}
		return verify(1, "unspecified certificate verification error")
	case errors.As(err, &roots):
		return verify(20, "unable to get local issuer certificate: this machine has no list of authorities")
	case errors.As(err, &record):
		return &failure{Reason: "WRONG_VERSION_NUMBER", Text: "wrong version number"}
	case errors.As(err, &alert):
		text := strings.TrimPrefix(alert.Error(), "tls: ")
		return &failure{Reason: "TLSV1_ALERT_" + strings.ToUpper(strings.ReplaceAll(text, " ", "_")), Text: text}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &failure{Reason: "UNEXPECTED_EOF_WHILE_READING", Text: "EOF occurred in violation of protocol", EOF: true}
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{Reason: "HANDSHAKE_TIMEOUT", Text: "the handshake operation timed out"}
	}
	if text, ok := strings.CutPrefix(err.Error(), "tls: "); ok {
		return &failure{Reason: "HANDSHAKE_FAILURE", Text: text}
	}
	return &failure{Reason: "HANDSHAKE_FAILURE", Text: "the connection broke during the handshake", EOF: true}
}
