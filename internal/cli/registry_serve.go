package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/hub"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/oci/store"
)

// registryAddress is where a registry listens that is not told where.
const registryAddress = "127.0.0.1:5000"

type registryOptions struct {
	listen   string
	root     string
	htpasswd string
	cert     string
	key      string
	maxSize  string
	readOnly bool
	open     bool
}

func (a *app) registryCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "registry", Short: "Keep images for others"}
	cmd.AddCommand(a.registryServeCommand())
	return cmd
}

func (a *app) registryServeCommand() *cobra.Command {
	var o registryOptions
	cmd := &cobra.Command{
		Use: "serve [OPTIONS]", Short: "Serve a registry: Docker, Podman and every other client push to it and pull from it", Args: cobra.NoArgs,
		Long: `Serve a registry that every client of the OCI distribution specification pushes to and
pulls from. What it has lies in a folder that is an OCI image layout, and uploads that
broke off go on where they were, also after the registry was ended.

Without --htpasswd everybody may push who reaches it, so it listens on this machine
alone. Ctrl-C ends it.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serveRegistry(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", registryAddress, "address to listen on; port 0 is any that is free")
	f.StringVar(&o.root, "root", "", "folder of the registry (default: registry, where the images of this user are)")
	f.StringVar(&o.htpasswd, "htpasswd", "", "file of users and passwords, as htpasswd -B writes it; it is read again when it changes")
	f.BoolVar(&o.readOnly, "read-only", false, "refuse pushes and deletions")
	f.StringVar(&o.maxSize, "max-size", "", "how much content there may be, such as 100GB")
	f.StringVar(&o.cert, "cert", "", "certificate for HTTPS, with its chain (PEM)")
	f.StringVar(&o.key, "key", "", "private key of --cert (PEM)")
	f.BoolVar(&o.open, "anonymous", false, "let everybody push who reaches an address that is not of this machine alone")
	return cmd
}

// check judges what the flags say together.
func (o *registryOptions) check() (local bool, maxBytes int64, config *tls.Config, err error) {
	host, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		return false, 0, nil, &hinted{&ux.UsageError{Text: fmt.Sprintf("--listen %s: that is no address to listen on", o.listen)}, "write --listen 127.0.0.1:5000"}
	}
	local = hub.ThisMachine(host)
	if !local && o.htpasswd == "" && !o.readOnly && !o.open {
		return false, 0, nil, &hinted{
			&ux.UsageError{Text: fmt.Sprintf("--listen %s: everybody who reaches it could push", o.listen)},
			"--htpasswd FILE names users, --read-only lets nobody push, --anonymous means it",
		}
	}
	if o.maxSize != "" {
		if maxBytes, err = units.FromHumanSize(o.maxSize); err != nil || maxBytes <= 0 {
			return false, 0, nil, &ux.UsageError{Text: fmt.Sprintf("--max-size %s: that is no size; write 500MB or 100GB", o.maxSize)}
		}
	}
	if (o.cert == "") != (o.key == "") {
		return false, 0, nil, &ux.UsageError{Text: "--cert and --key go together"}
	}
	if o.cert != "" {
		pair, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return false, 0, nil, fmt.Errorf("read certificate: %w", err)
		}
		config = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	return local, maxBytes, config, nil
}

func (a *app) serveRegistry(ctx context.Context, o registryOptions) error {
	local, maxBytes, config, err := o.check()
	if err != nil {
		return err
	}
	if o.root == "" {
		if o.root, err = a.registryRoot(); err != nil {
			return err
		}
	}
	log := slog.New(slog.NewTextHandler(a.Err, nil))
	c := hub.Config{ReadOnly: o.readOnly, MaxBytes: maxBytes, Log: log, Local: local && o.htpasswd == ""}
	if o.htpasswd != "" {
		passwords, err := hub.OpenPasswords(o.htpasswd)
		if err != nil {
			return err
		}
		c.Users = passwords
	}
	if c.Store, err = store.Open(ctx, o.root); err != nil {
		return err
	}
	defer c.Store.Close()
	h, err := hub.New(ctx, c)
	if errors.Is(err, hub.ErrInUse) {
		return &hinted{fmt.Errorf("another registry serves %s", o.root), "--root names another folder"}
	}
	if err != nil {
		return err
	}
	defer h.Close()
	return a.answerRegistry(ctx, h, o, config, log)
}

// registryRoot is the folder of a registry that is not told which.
func (a *app) registryRoot() (string, error) {
	p, err := locate(a.env)
	if err != nil {
		return "", err
	}
	return filepath.Join(p.Data, "registry"), nil
}

// answerRegistry listens and says where.
func (a *app) answerRegistry(ctx context.Context, h *hub.Hub, o registryOptions, config *tls.Config, log *slog.Logger) error {
	listeners, err := listen(ctx, []string{o.listen})
	if err != nil {
		return registryPortHint(err)
	}
	listeners.tls = config != nil
	at := listeners.list[0]
	sweeping, end := context.WithCancel(ctx)
	var sweep sync.WaitGroup
	sweep.Go(func() { h.Run(sweeping) })
	defer sweep.Wait()
	defer end()
	fmt.Fprintln(a.Out, listeners.url(at))
	if o.htpasswd != "" && config == nil && !hub.ThisMachine(o.listen) {
		a.say("%s", "Passwords come to it unencrypted: --cert and --key encrypt them.")
	}
	a.say("Push to it with wherry push %s/NAME:TAG. Ctrl-C ends it.", at.Addr())
	return hub.Serve(ctx, h, at, config, 10*time.Second, log)
}

// registryPortHint speaks of the flag that the command has.
func registryPortHint(err error) error {
	var h *hinted
	if errors.As(err, &h) {
		return &hinted{h.error, "wherry registry serve --listen 127.0.0.1:0 takes a port that is free"}
	}
	return err
}
