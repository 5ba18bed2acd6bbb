package static

import "strings"

// encodings are those of content that a client takes, as bits.
type encodings uint8

const (
	identity encodings = 1 << iota
	gzipped
	brotli
	zstandard
)

// coded are the encodings of files, and how the names of packed files end.
var coded = [...]struct {
	bit          encodings
	name, suffix string
}{{brotli, "br", ".br"}, {zstandard, "zstd", ".zst"}, {gzipped, "gzip", ".gz"}}

// maxAccept bounds the elements of an Accept-Encoding that are read.
const maxAccept = 32

// accepts reads an Accept-Encoding (RFC 9110, 12.5.3): what has a weight over zero. A
// client that refuses everything gets files as they are.
func accepts(header string) encodings {
	if header == "" {
		return identity
	}
	var given, refused encodings
	star, starred := false, false
	for i := 0; header != "" && i < maxAccept; i++ {
		var element string
		element, header, _ = strings.Cut(header, ",")
		name, weight, _ := strings.Cut(element, ";")
		name = strings.TrimSpace(name)
		good := !zero(weight)
		if name == "*" {
			star, starred = good, true
			continue
		}
		bit := bitOf(name)
		if good {
			given |= bit
		} else {
			refused |= bit
		}
	}
	if star {
		given |= (gzipped | brotli | zstandard) &^ refused
	}
	if refused&identity == 0 && (star || !starred) || given&^refused == 0 {
		given |= identity
	}
	return given &^ (refused &^ identity)
}

func bitOf(name string) encodings {
	switch {
	case strings.EqualFold(name, "gzip"), strings.EqualFold(name, "x-gzip"):
		return gzipped
	case strings.EqualFold(name, "br"):
		return brotli
	case strings.EqualFold(name, "zstd"):
		return zstandard
	case strings.EqualFold(name, "identity"):
		return identity
	}
	return 0
}

// zero tells a weight that refuses: "q=0", with as many zeros as it likes.
func zero(parameters string) bool {
	for parameters != "" {
		var one string
		one, parameters, _ = strings.Cut(parameters, ";")
		one = strings.TrimSpace(one)
		if len(one) > 2 && (one[0] == 'q' || one[0] == 'Q') && one[1] == '=' {
			return strings.Trim(one[2:], "0.") == ""
		}
	}
	return false
}
