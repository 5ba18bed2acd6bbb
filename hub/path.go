package hub

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/wherry-run/wherry/oci"
)

// kind is what a path of the API speaks of.
type kind uint8

const (
	kindBase      kind = iota // /v2/
	kindCatalog               // /v2/_catalog
	kindTags                  // /v2/<repository>/tags/list
	kindManifest              // .../manifests/<tag or digest>
	kindBlob                  // .../blobs/<digest>
	kindUploads               // .../blobs/uploads/
	kindUpload                // .../blobs/uploads/<id>
	kindReferrers             // .../referrers/<digest>
)

// route is a path of the API, all parts of it judged.
type route struct {
	kind   kind
	repo   string
	tag    string        // of a manifest
	digest digest.Digest // of a manifest, a blob or a subject
	upload string        // the id of an upload
}

// maxPath bounds a path: the longest name, digest and what stands around them.
const maxPath = 512

// parsePath reads the path of a request. Repositories may have any of the words of the
// API in their names, so it is read from its end.
func parsePath(path string) (route, *refusal) {
	if len(path) > maxPath {
		return route{}, refuse(http.StatusNotFound, codeNameInvalid, "the path is longer than %d bytes", maxPath)
	}
	rest, ok := strings.CutPrefix(path, "/v2")
	switch {
	case !ok:
		return route{}, notThere()
	case rest == "" || rest == "/":
		return route{kind: kindBase}, nil
	case rest == "/_catalog":
		return route{kind: kindCatalog}, nil
	case rest[0] != '/':
		return route{}, notThere()
	}
	rest = rest[1:]
	if repo, ok := strings.CutSuffix(rest, "/tags/list"); ok {
		return named(route{kind: kindTags, repo: repo})
	}
	if repo, ok := strings.CutSuffix(strings.TrimSuffix(rest, "/"), "/blobs/uploads"); ok {
		return named(route{kind: kindUploads, repo: repo})
	}
	head, last, ok := cutLast(rest)
	if !ok {
		return route{}, notThere()
	}
	if repo, ok := strings.CutSuffix(head, "/blobs/uploads"); ok {
		return uploadRoute(repo, last)
	}
	if repo, ok := strings.CutSuffix(head, "/manifests"); ok {
		return manifestRoute(repo, last)
	}
	if repo, ok := strings.CutSuffix(head, "/blobs"); ok {
		return digestRoute(kindBlob, repo, last)
	}
	if repo, ok := strings.CutSuffix(head, "/referrers"); ok {
		return digestRoute(kindReferrers, repo, last)
	}
	return route{}, notThere()
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+1:], true
}

func notThere() *refusal {
	return refuse(http.StatusNotFound, codeUnsupported, "there is no such path in the API of registries")
}

func named(r route) (route, *refusal) {
	if !oci.IsRepository(r.repo) {
		return route{}, refuse(http.StatusNotFound, codeNameInvalid, "%s is not the name of a repository", quote(r.repo))
	}
	return r, nil
}

func manifestRoute(repo, name string) (route, *refusal) {
	if oci.IsTag(name) {
		return named(route{kind: kindManifest, repo: repo, tag: name})
	}
	if !strings.Contains(name, ":") {
		return route{}, refuse(http.StatusNotFound, codeManifestUnknown, "%s is neither a tag nor a digest", quote(name))
	}
	return digestRoute(kindManifest, repo, name)
}

func digestRoute(k kind, repo, text string) (route, *refusal) {
	d, err := oci.ParseDigest(text)
	if err != nil {
		return route{}, refuse(http.StatusBadRequest, codeDigestInvalid, "%v", err)
	}
	return named(route{kind: k, repo: repo, digest: d})
}

// uploadIDs are this long, in hexadecimal digits.
const uploadIDLength = 32

func uploadRoute(repo, id string) (route, *refusal) {
	if len(id) != uploadIDLength || strings.Trim(id, "0123456789abcdef") != "" {
		return route{}, refuse(http.StatusNotFound, codeUploadUnknown, "there is no upload %s", quote(id))
	}
	return named(route{kind: kindUpload, repo: repo, upload: id})
}

// quote shows a hostile string in a message.
func quote(s string) string {
	const most = 120
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strconv.QuoteToASCII(s)
}

// parseContentRange reads where a chunk of an upload belongs: "0-1023", as the
// distribution specification has it, or "bytes 0-1023/4096", as HTTP has it. last is
// the offset of the last byte.
func parseContentRange(text string) (first, last int64, ok bool) {
	text = strings.TrimPrefix(text, "bytes ")
	text, _, _ = strings.Cut(text, "/")
	from, to, ok := strings.Cut(text, "-")
	if !ok {
		return 0, 0, false
	}
	first, ok1 := parseOffset(from)
	last, ok2 := parseOffset(to)
	return first, last, ok1 && ok2 && last >= first
}

// parseOffset reads digits and nothing else: no sign, no space, no more than a blob
// may have.
func parseOffset(s string) (int64, bool) {
	if s == "" || len(s) > 15 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n <= oci.MaxBlob
}

// parsePage reads how many entries an answer may have and after which it begins.
func parsePage(r *http.Request, most int) (n int, last string, no *refusal) {
	q := r.URL.Query()
	last = q.Get("last")
	if len(last) > maxPath {
		return 0, "", refuse(http.StatusBadRequest, codeUnsupported, "last is longer than %d bytes", maxPath)
	}
	text := q.Get("n")
	if text == "" {
		return most, last, nil
	}
	v, ok := parseOffset(text)
	if !ok {
		return 0, "", refuse(http.StatusBadRequest, codeUnsupported, "n is %s, which is no number", quote(text))
	}
	return int(min(v, int64(most))), last, nil
}
