package packager

import (
	"bytes"
	"crypto/sha256"
)

// seed makes a program's randomness out of all that goes into its RUN: the
// same step draws the same numbers on every machine.
func seed(key string) [32]byte {
	return sha256.Sum256([]byte("wherry build randomness\n" + key))
}

// containsSecret looks for a secret, without the newline that files end with.
func containsSecret(window, secret []byte) bool {
	secret = bytes.TrimRight(secret, "\r\n")
	return len(secret) >= minSecret && bytes.Contains(window, secret)
}
