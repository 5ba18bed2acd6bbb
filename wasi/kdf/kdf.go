// Package kdf derives keys of passwords for guests whose own way is too slow for it:
// PBKDF2 (RFC 8018) in pieces, and scrypt (RFC 7914), by messages through the door.
package kdf

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"hash"
	"math/bits"

	"golang.org/x/crypto/scrypt"

	"github.com/wherry-run/wherry/wasi/door"
)

// head begins a message, with the version of what follows; numbers have 32 bits and are
// little-endian:
//
//	'p', a digest, how often, length of the password, the password, u, t
//	's', n, r, p, length of the key, length of the password, the password, the salt
//
// The first asks for u = HMAC(password, u), t = t xor u, so often; the answer is u and
// t. The answer to the second is a key.
const head = "\x00kdf\x01"

// Bounds of one message. What they let a guest have done is little: it asks again for
// more, and may be ended between.
const (
	maxRounds = 1 << 13
	maxWork   = 1 << 20  // n * r * p of scrypt: a fifth of a second
	maxMemory = 64 << 20 // bytes of scrypt
	maxKey    = 1 << 12
)

// digests by their number in messages.
var digests = [...]func() hash.Hash{sha1.New, sha256.New224, sha256.New, sha512.New384, sha512.New, md5.New}

// errMessage is of a message that is none.
var errMessage = errors.New("a message about keys that is none, or asks for too much")

// Door answers messages about keys. Others go to next, which may be nil.
func Door(next door.Handler) door.Handler {
	return func(ctx context.Context, said []byte) ([]byte, error) {
		rest, ok := bytes.CutPrefix(said, []byte(head))
		switch {
		case !ok && next == nil:
			return nil, door.ErrNobody
		case !ok:
			return next(ctx, said)
		case len(rest) > 0 && rest[0] == 'p':
			return rounds(rest[1:])
		case len(rest) > 0 && rest[0] == 's':
			return scrypted(rest[1:])
		}
		return nil, errMessage
	}
}

// numbers takes so many numbers off a message.
func numbers(b []byte, n int) (list []int, rest []byte, ok bool) {
	if len(b) < 4*n {
		return nil, nil, false
	}
	list = make([]int, n)
	for i := range list {
		v := binary.LittleEndian.Uint32(b[4*i:])
		if v > 1<<30 {
			return nil, nil, false
		}
		list[i] = int(v)
	}
	return list, b[4*n:], true
}

// rounds does a part of PBKDF2.
func rounds(b []byte) ([]byte, error) {
	n, b, ok := numbers(b, 3)
	if !ok || n[0] >= len(digests) || n[1] > maxRounds || n[2] > len(b) {
		return nil, errMessage
	}
	mac := hmac.New(digests[n[0]], b[:n[2]])
	size := mac.Size()
	if b = b[n[2]:]; len(b) != 2*size {
		return nil, errMessage
	}
	u, t := b[:size:size], b[size:]
	for range n[1] {
		mac.Reset()
		mac.Write(u)
		u = mac.Sum(u[:0])
		subtle.XORBytes(t, t, u)
	}
	return append(u, t...), nil
}

// scrypted is scrypt.
func scrypted(b []byte) ([]byte, error) {
	n, b, ok := numbers(b, 5)
	if !ok || n[4] > len(b) || n[3] == 0 || n[3] > maxKey || !affordable(uint64(n[0]), uint64(n[1]), uint64(n[2])) {
		return nil, errMessage
	}
	return scrypt.Key(b[:n[4]], b[n[4]:], n[0], n[1], n[2], n[3])
}

// affordable bounds what scrypt does and holds.
func affordable(n, r, p uint64) bool {
	high, work := bits.Mul64(n, r) // each below 2^31
	return high == 0 && n > 1 && r > 0 && p > 0 && work <= maxMemory/128 && r*p <= 1<<14 && work*p <= maxWork
}
