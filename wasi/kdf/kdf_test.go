package kdf_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/wherry-run/wherry/wasi/door"
	"github.com/wherry-run/wherry/wasi/kdf"
)

func message(letter byte, numbers []uint32, rest ...[]byte) []byte {
	b := append([]byte("\x00kdf\x01"), letter)
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return append(b, bytes.Join(rest, nil)...)
}

func TestPBKDF2(t *testing.T) {
	password, salt := []byte("secret"), []byte("salt")
	want, err := pbkdf2.Key(sha256.New, string(password), salt, 1001, 32)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, password)
	mac.Write(append(salt, 0, 0, 0, 1))
	u := mac.Sum(nil)
	state := append(u, u...)
	for _, n := range []uint32{400, 600, 0} { // in pieces
		state, err = kdf.Door(nil)(t.Context(), message('p', []uint32{2, n, uint32(len(password))}, password, state))
		if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(state[32:], want) {
		t.Errorf("%x, want %x", state[32:], want)
	}
}

func TestScrypt(t *testing.T) { // RFC 7914, 12
	got, err := kdf.Door(nil)(t.Context(), message('s', []uint32{1024, 8, 16, 64, 8}, []byte("password"), []byte("NaCl")))
	const want = "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"
	if err != nil || hex.EncodeToString(got) != want {
		t.Errorf("%x, %v", got, err)
	}
}

func TestRefused(t *testing.T) {
	for name, m := range map[string][]byte{
		"nothing":            []byte("\x00kdf\x01"),
		"another letter":     message('x', nil),
		"no such digest":     message('p', []uint32{99, 1, 0}),
		"too many rounds":    message('p', []uint32{2, 1 << 20, 0}, make([]byte, 64)),
		"no state":           message('p', []uint32{2, 1, 0}, make([]byte, 63)),
		"too much memory":    message('s', []uint32{1 << 20, 8, 1, 32, 0}),
		"too much work":      message('s', []uint32{1 << 14, 8, 64, 32, 0}),
		"no power of two":    message('s', []uint32{1000, 8, 1, 32, 0}),
		"numbers that wrap":  message('s', []uint32{1 << 30, 1 << 30, 1 << 30, 32, 0}),
		"a key without end":  message('s', []uint32{1024, 8, 1, 1 << 20, 0}),
		"a password that is": message('s', []uint32{1024, 8, 1, 32, 9}, []byte("short")),
	} {
		if got, err := kdf.Door(nil)(t.Context(), m); err == nil {
			t.Errorf("%s: %x", name, got)
		}
	}
}

func TestNext(t *testing.T) {
	if _, err := kdf.Door(nil)(t.Context(), []byte("other")); !errors.Is(err, door.ErrNobody) {
		t.Error(err)
	}
	next := func(context.Context, []byte) ([]byte, error) { return []byte("it"), nil }
	if got, err := kdf.Door(next)(t.Context(), []byte("other")); string(got) != "it" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func FuzzDoor(f *testing.F) {
	f.Add(message('p', []uint32{2, 3, 1}, []byte("k"), make([]byte, 64)))
	f.Add(message('s', []uint32{16, 1, 1, 32, 1}, []byte("pNaCl")))
	f.Fuzz(func(t *testing.T, m []byte) {
		if got, err := kdf.Door(nil)(t.Context(), m); err == nil && len(got) > 1<<12 {
			t.Errorf("%d bytes", len(got))
		}
	})
}
