package hub

import (
	"net/http"
	"strings"
)

// ServeHTTP answers a request of the API.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Docker-Distribution-Api-Version", "registry/2.0")
	header.Set("X-Content-Type-Options", "nosniff")
	if err := h.answer(w, r); err != nil {
		h.fail(w, r, err)
	}
}

func (h *Hub) answer(w http.ResponseWriter, r *http.Request) error {
	if h.local && !ThisMachine(r.Host) {
		return refuse(http.StatusMisdirectedRequest, codeDenied, "this registry is of this machine alone: name it 127.0.0.1 or localhost")
	}
	if err := h.origins.Check(r); err != nil {
		return refuse(http.StatusForbidden, codeDenied, "a page of another site may change nothing here")
	}
	if err := h.authenticate(r); err != nil {
		return err
	}
	rt, no := parsePath(r.URL.Path)
	if no != nil {
		return no
	}
	// One spelling of a method is enough.
	do, allowed := h.handler(rt.kind, r.Method)
	if do == nil {
		return refuse(http.StatusMethodNotAllowed, codeUnsupported, "%s is not for this path", quote(r.Method)).with("Allow", strings.Join(allowed, ", "))
	}
	if h.readOnly && r.Method != http.MethodGet && r.Method != http.MethodHead {
		return refuse(http.StatusMethodNotAllowed, codeUnsupported, "the registry can be read only").with("Allow", "GET, HEAD")
	}
	return do(w, r, rt)
}

// handlerFunc answers one kind of request. An error is answered for it, so it comes
// before anything else was.
type handlerFunc func(w http.ResponseWriter, r *http.Request, rt route) error

// handler finds who answers a method of a kind of path, or which methods there are.
func (h *Hub) handler(k kind, method string) (handlerFunc, []string) {
	var by map[string]handlerFunc
	switch k {
	case kindBase:
		by = map[string]handlerFunc{http.MethodGet: h.base}
	case kindCatalog:
		by = map[string]handlerFunc{http.MethodGet: h.catalog}
	case kindTags:
		by = map[string]handlerFunc{http.MethodGet: h.listTags}
	case kindReferrers:
		by = map[string]handlerFunc{http.MethodGet: h.listReferrers}
	case kindManifest:
		by = map[string]handlerFunc{http.MethodGet: h.getManifest, http.MethodPut: h.putManifest, http.MethodDelete: h.deleteManifest}
	case kindBlob:
		by = map[string]handlerFunc{http.MethodGet: h.getBlob, http.MethodDelete: h.deleteBlob}
	case kindUploads:
		by = map[string]handlerFunc{http.MethodPost: h.startUpload}
	case kindUpload:
		by = map[string]handlerFunc{http.MethodGet: h.uploadStatus, http.MethodPatch: h.patchUpload, http.MethodPut: h.finishUpload, http.MethodDelete: h.cancelUpload}
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if do := by[method]; do != nil {
		return do, nil
	}
	var allowed []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete} {
		if by[m] != nil {
			allowed = append(allowed, m)
		}
	}
	return nil, allowed
}

func (h *Hub) base(w http.ResponseWriter, r *http.Request, _ route) error {
	return h.json(w, r, "application/json", struct{}{})
}
