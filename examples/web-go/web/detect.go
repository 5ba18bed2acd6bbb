package web

import (
	"net/http"
	"unsafe"
)

// detect is http.DetectContentType, which looks for many things that a text which begins
// with a small letter or a brace cannot be.
func detect(p []byte) string {
	begin := p[:min(len(p), 512)]
	if c := begin[0]; c == '{' || c == '[' || 'a' <= c && c <= 'z' && c != 't' && c != 'w' {
		if (len(begin) < 36 || begin[34] != 'L') && plain(begin) { // as a font has there
			return "text/plain; charset=utf-8"
		}
	}
	return http.DetectContentType(p)
}

// plain tells bytes without control characters, but those of lines.
func plain(p []byte) bool {
	for ; len(p) >= 8; p = p[8:] {
		const ones = 0x0101010101010101
		if v := *(*uint64)(unsafe.Pointer(&p[0])); (v-ones*' ')&^v&(ones<<7) != 0 && !lines(p[:8]) { // one of them is below a space
			return false
		}
	}
	return lines(p)
}

func lines(p []byte) bool {
	for _, c := range p {
		if c < ' ' && c != '\n' && c != '\t' && c != '\r' {
			return false
		}
	}
	return true
}
