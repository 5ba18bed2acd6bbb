package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/registry"
	"github.com/wherry-run/wherry/oci/store"
)

func (a *app) pushCommand() *cobra.Command {
	var quiet, all bool
	cmd := &cobra.Command{
		Use:               "push IMAGE...",
		Short:             "Send images to their registries",
		Args:              atLeast(1, "at least one image"),
		ValidArgsFunction: a.complete,
		RunE: a.onStore(func(ctx context.Context, s *store.Store, args []string) error {
			a.quiet = quiet
			if all {
				var err error
				if args, err = allTags(ctx, s, args); err != nil {
					return err
				}
			}
			for _, name := range args {
				ref, d, err := a.push(ctx, s, name)
				if err != nil {
					return err
				}
				if !quiet {
					fmt.Fprintf(a.Err, "%s: digest: %s size: %d\n", ref.Tag, d.Digest, d.Size)
				}
				fmt.Fprintln(a.Out, ref)
			}
			return nil
		}),
	}
	f := cmd.Flags()
	f.BoolVarP(&quiet, "quiet", "q", false, "print the image's name only")
	f.BoolVarP(&all, "all-tags", "a", false, "push all tags of the repositories that are named")
	f.Var(new(platformFlag), "platform", platformUse)
	return cmd
}

// push sends an image to its registry.
func (a *app) push(ctx context.Context, s *store.Store, name string) (oci.Reference, ispec.Descriptor, error) {
	ref, err := parseRef(name)
	if err != nil {
		return ref, ispec.Descriptor{}, err
	}
	entry, err := images.Find(ctx, s, name)
	if err != nil {
		return ref, ispec.Descriptor{}, a.absent(ctx, s, name, err)
	}
	known, err := s.List(ctx)
	if err != nil {
		return ref, ispec.Descriptor{}, err
	}
	client, _ := a.client()
	err = client.Push(ctx, ref, entry.Descriptor, s, registry.PushOptions{MountFrom: names(known)})
	a.talk().Clear()
	if err != nil {
		return ref, ispec.Descriptor{}, registryError(ref.Registry, err)
	}
	a.event("image", "push", "", ref.Familiar())
	return ref, entry.Descriptor, nil
}

// allTags are the names here of repositories.
func allTags(ctx context.Context, s *store.Store, repositories []string) ([]string, error) {
	entries, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, word := range repositories {
		ref, err := parseRef(word)
		if err != nil {
			return nil, err
		}
		before := len(list)
		for _, e := range entries {
			if !e.Ref.IsZero() && e.Ref.Tag != "" && e.Ref.FamiliarName() == ref.FamiliarName() {
				list = append(list, e.Ref.Familiar())
			}
		}
		if len(list) == before {
			return nil, &images.NotFoundError{Name: word}
		}
	}
	return list, nil
}

// names are the names of all images here: what a registry may have already
// under one of them need not be sent again.
func names(entries []store.Entry) []oci.Reference {
	var list []oci.Reference
	for _, e := range entries {
		if !e.Ref.IsZero() {
			list = append(list, e.Ref)
		}
	}
	return list
}

func (a *app) loginCommand() *cobra.Command {
	var user, password string
	var fromStdin bool
	cmd := &cobra.Command{
		Use:   "login [-u USER] [--password-stdin] [REGISTRY]",
		Short: "Remember credentials for a registry (where Docker keeps them)",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			host := "docker.io"
			if len(args) == 1 {
				host = args[0]
			}
			in := bufio.NewReader(a.In)
			if user == "" {
				var err error
				if user, err = a.ask(in, "Username: "); err != nil {
					return err
				}
			}
			switch {
			case fromStdin:
				data, err := io.ReadAll(io.LimitReader(in, 64<<10))
				if err != nil {
					return err
				}
				password = strings.TrimRight(string(data), "\r\n")
			case password == "":
				var err error
				if password, err = a.askPassword(in); err != nil {
					return err
				}
			}
			client, _ := a.client()
			stored, err := client.Login(cmd.Context(), host, user, password)
			if err != nil {
				return registryError(host, err)
			}
			fmt.Fprintf(a.Err, "Login Succeeded (kept in %s)\n", stored)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVarP(&user, "username", "u", "", "user name")
	f.StringVarP(&password, "password", "p", "", "password (others on this machine can see it: better --password-stdin)")
	f.BoolVar(&fromStdin, "password-stdin", false, "read the password from standard input")
	return cmd
}

func (a *app) ask(in *bufio.Reader, prompt string) (string, error) {
	fmt.Fprint(a.Err, prompt)
	line, err := in.ReadString('\n')
	if err != nil && line == "" {
		return "", &hinted{&ux.UsageError{Text: "no user name was typed"}, "wherry login -u USER --password-stdin REGISTRY"}
	}
	return strings.TrimSpace(line), nil
}

func (a *app) askPassword(in *bufio.Reader) (string, error) {
	f, ok := a.In.(*os.File)
	if !ok || !ux.IsTerminal(a.In) {
		return a.ask(in, "Password: ")
	}
	fmt.Fprint(a.Err, "Password: ")
	b, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(a.Err)
	return string(b), err
}

func (a *app) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "logout [REGISTRY]",
		Short: "Forget the credentials for a registry",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			host := "docker.io"
			if len(args) == 1 {
				host = args[0]
			}
			client, _ := a.client()
			if err := client.Logout(host); err != nil {
				return err
			}
			fmt.Fprintln(a.Err, "Removed the credentials for", host)
			return nil
		},
	}
}

// registryError adds what to type next to an error of a registry.
func registryError(host string, err error) error {
	if strings.Contains(err.Error(), "refused") && !errors.As(err, new(*registry.StatusError)) {
		return &hinted{err, "is the registry at " + host + " running?"}
	}
	return err // a StatusError says itself when to log in
}
