package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/opencontainers/go-digest"

	"github.com/wherry-run/wherry/oci"
)

// Client talks to registries. It is safe for concurrent use; transfers of one
// client share its connections.
type Client struct {
	keychain  authn.Keychain
	transport http.RoundTripper
	userAgent string
	progress  oci.Progress
	artifacts map[string]bool
	insecure  map[string]bool
	jobs      int
	idle      time.Duration
	backoff   time.Duration
	floor     floor
	kept      keptUploads
}

// Option sets up a Client.
type Option func(*Client)

// WithKeychain replaces the credentials of Docker's configuration.
func WithKeychain(k authn.Keychain) Option { return func(c *Client) { c.keychain = k } }

// WithTransport replaces the HTTP transport, for tests and special networks.
func WithTransport(t http.RoundTripper) Option { return func(c *Client) { c.transport = t } }

// WithProgress tells p of every transfer.
func WithProgress(p oci.Progress) Option { return func(c *Client) { c.progress = p } }

// WithUserAgent names the program to registries.
func WithUserAgent(s string) Option { return func(c *Client) { c.userAgent = s } }

// WithJobs sets how many blobs move at a time; 8 unless set.
func WithJobs(n int) Option { return func(c *Client) { c.jobs = max(n, 1) } }

// WithInsecure allows plain HTTP to these registries (host[:port]). Loopback
// addresses need no permission.
func WithInsecure(hosts ...string) Option {
	return func(c *Client) {
		for _, h := range hosts {
			c.insecure[h] = true
		}
	}
}

// WithArtifacts sets which artifacts of an index Fetch brings along with the
// image; the ModelPack manifest unless set.
func WithArtifacts(types ...string) Option {
	return func(c *Client) {
		c.artifacts = map[string]bool{}
		for _, t := range types {
			c.artifacts[t] = true
		}
	}
}

// WithPatience sets how long a silent peer is waited for, and the first pause
// before a retry (each next one is longer).
func WithPatience(idle, backoff time.Duration) Option {
	return func(c *Client) { c.idle, c.backoff = idle, backoff }
}

// WithFloor sets how little a registry may send while it is waited for: less
// than n bytes within that time counts as a connection that stalled, which is
// made anew a few times and then given up. 32 KiB in a minute unless set.
func WithFloor(n int64, within time.Duration) Option {
	return func(c *Client) { c.floor = floor{n, within} }
}

// New makes a client with the credentials of Docker's configuration and its
// credential helpers.
func New(opts ...Option) *Client {
	c := &Client{
		keychain:  authn.DefaultKeychain,
		artifacts: map[string]bool{oci.ModelArtifact: true, oci.DerivedArtifact: true},
		insecure:  map[string]bool{},
		userAgent: "wherry",
		jobs:      8,
		idle:      30 * time.Second,
		backoff:   500 * time.Millisecond,
		floor:     floor{32 << 10, time.Minute},
	}
	for _, o := range opts {
		o(c)
	}
	if c.transport == nil {
		c.transport = newTransport(c.jobs)
	}
	return c
}

// session is the client's business with one repository.
type session struct {
	c    *Client
	ref  oci.Reference
	repo name.Repository
	http *http.Client
}

// open shakes hands with the registry of ref: scheme, challenge, token.
func (c *Client) open(ctx context.Context, ref oci.Reference, scopes func(name.Repository) []string) (*session, error) {
	opts := []name.Option{name.StrictValidation}
	plain := c.insecure[ref.Registry]
	if plain {
		opts = append(opts, name.Insecure)
	}
	repo, err := name.NewRepository(ref.Name(), opts...)
	if err != nil {
		return nil, fmt.Errorf("read image name %s: %w", ref.Familiar(), err)
	}
	auth, err := authn.Resolve(ctx, c.keychain, repo)
	if err != nil {
		return nil, fmt.Errorf("read credentials for %s: %w", ref.Registry, err)
	}
	base := &guard{inner: c.transport, host: repo.RegistryStr(), plain: plain || loopback(repo.RegistryStr()), any: plain}
	var rt http.RoundTripper
	err = c.retry(ctx, nil, func(ctx context.Context) error {
		ctx, stop := withDeadline(ctx, c.idle)
		defer stop()
		rt, err = transport.NewWithContext(ctx, repo.Registry, auth, transport.NewUserAgent(base, c.userAgent), scopes(repo))
		return classify(ctx, fromHandshake(ref.Registry, err))
	})
	if err != nil {
		return nil, &HostError{Host: ref.Registry, Err: err}
	}
	return &session{c: c, ref: ref, repo: repo, http: &http.Client{Transport: rt, CheckRedirect: checkRedirect}}, nil
}

func pullScope(r name.Repository) []string { return []string{r.Scope(transport.PullScope)} }

// url is an address below /v2/<repository>/.
func (s *session) url(elem ...string) *url.URL {
	u := &url.URL{Scheme: s.repo.Scheme(), Host: s.repo.RegistryStr()}
	return u.JoinPath(append([]string{"v2", s.repo.RepositoryStr()}, elem...)...)
}

func (s *session) blobURL(d digest.Digest) *url.URL { return s.url("blobs", string(d)) }

// pingAs asks /v2/ with credentials; it tells a good password from a bad one
// where the handshake alone does not (basic authentication).
func (c *Client) pingAs(ctx context.Context, reg name.Registry, rt http.RoundTripper) error {
	u := url.URL{Scheme: reg.Scheme(), Host: reg.RegistryStr(), Path: "/v2/"}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: rt, CheckRedirect: checkRedirect}).Do(req)
	if err != nil {
		return &HostError{Host: reg.Name(), Err: classify(ctx, err)}
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		return &HostError{Host: reg.Name(), Err: ErrCredentials}
	}
	return nil
}
