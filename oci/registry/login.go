package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/wherry-run/wherry/oci"
)

// dockerHubKey is where Docker keeps the credentials of its own registry.
const dockerHubKey = "https://index.docker.io/v1/"

// ErrCredentials says that a registry does not accept a user and password.
var ErrCredentials = errors.New("the registry does not accept this user and password")

// Login tries the credentials and, when the registry accepts them, stores them
// as Docker does: by a credential helper if one is configured, else in the
// configuration file. It returns where they are now.
func (c *Client) Login(ctx context.Context, host, user, password string) (stored string, err error) {
	if err := c.tryLogin(ctx, host, user, password); err != nil {
		return "", err
	}
	file, err := loadConfig()
	if err != nil {
		return "", err
	}
	key := configKey(host)
	store := file.GetCredentialsStore(key)
	if err := store.Store(types.AuthConfig{Username: user, Password: password, ServerAddress: key}); err != nil {
		return "", fmt.Errorf("store credentials for %s: %w", host, err)
	}
	if helper := helperOf(file, key); helper != "" {
		return "credential helper " + helper, nil
	}
	return file.GetFilename(), nil
}

func (c *Client) tryLogin(ctx context.Context, host, user, password string) error {
	var opts []name.Option
	plain := c.insecure[host]
	if plain {
		opts = append(opts, name.Insecure)
	}
	reg, err := name.NewRegistry(host, opts...)
	if err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	base := &guard{inner: c.transport, host: reg.RegistryStr(), plain: plain || loopback(reg.RegistryStr()), any: plain}
	auth := authn.FromConfig(authn.AuthConfig{Username: user, Password: password})
	ctx, stop := withDeadline(ctx, c.idle)
	defer stop()
	rt, err := transport.NewWithContext(ctx, reg, auth, transport.NewUserAgent(base, c.userAgent), nil)
	if err != nil {
		return &HostError{Host: host, Err: credentialError(classify(ctx, err))}
	}
	return c.pingAs(ctx, reg, rt)
}

func credentialError(err error) error {
	var t *transport.Error
	if errors.As(err, &t) && (t.StatusCode == 401 || t.StatusCode == 403) {
		return ErrCredentials
	}
	return err
}

// Logout forgets the credentials of a registry.
func (c *Client) Logout(host string) error {
	file, err := loadConfig()
	if err != nil {
		return err
	}
	key := configKey(host)
	if err := file.GetCredentialsStore(key).Erase(key); err != nil {
		return fmt.Errorf("remove credentials for %s: %w", host, err)
	}
	return nil
}

func loadConfig() (*configfile.ConfigFile, error) {
	file, err := config.Load(config.Dir())
	if err != nil {
		return nil, fmt.Errorf("read Docker's configuration: %w", err)
	}
	return file, nil
}

func helperOf(file *configfile.ConfigFile, key string) string {
	if h, ok := file.CredentialHelpers[key]; ok {
		return h
	}
	return file.CredentialsStore
}

func configKey(host string) string {
	if host == "" || host == oci.DefaultRegistry || host == "index.docker.io" {
		return dockerHubKey
	}
	return host
}
