package oci

import (
	_ "crypto/sha256" // the algorithms that ParseDigest lets through
	_ "crypto/sha512"
	"fmt"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// EmptyDigest is the digest of no bytes at all.
const EmptyDigest = digest.Digest("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")

// ParseDigest reads a digest: sha256 or sha512, lower-case hex of the right
// length. Only what came through here may become a file name or part of a URL.
func ParseDigest(s string) (digest.Digest, error) {
	d, err := digest.Parse(s)
	if err != nil {
		return "", fmt.Errorf("read digest %s: %w", quote(s), err)
	}
	if a := d.Algorithm(); a != digest.SHA256 && a != digest.SHA512 {
		return "", fmt.Errorf("read digest %s: only sha256 and sha512 are supported", quote(s))
	}
	return d, nil
}

// ShortID is what people see of a digest: its first twelve hex digits.
func ShortID(d digest.Digest) string {
	hex := d.Encoded()
	if len(hex) > 12 {
		return hex[:12]
	}
	return hex
}

// quote shows a hostile string in a message: escaped, and not without end.
func quote(s string) string {
	const most = 120
	if len(s) > most {
		return fmt.Sprintf("%q...", s[:most])
	}
	return fmt.Sprintf("%q", s)
}

// MismatchError says that content is not what its descriptor promised. It
// names both values.
type MismatchError struct {
	What      string // "digest", "size", "media type"
	Want, Got string
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s is %s, expected %s", e.What, quote(e.Got), quote(e.Want))
}

// Verify checks data against the size and digest of d.
func Verify(d ispec.Descriptor, data []byte) error {
	if _, err := ParseDigest(string(d.Digest)); err != nil {
		return err
	}
	if int64(len(data)) != d.Size {
		return &MismatchError{What: "size of " + string(d.Digest), Want: fmt.Sprint(d.Size), Got: fmt.Sprint(len(data))}
	}
	if got := d.Digest.Algorithm().FromBytes(data); got != d.Digest {
		return &MismatchError{What: "digest", Want: string(d.Digest), Got: string(got)}
	}
	return nil
}
