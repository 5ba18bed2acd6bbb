package cli

import (
	"context"
	goruntime "runtime"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/version"
	"github.com/wherry-run/wherry/oci/store"
)

// info is what wherry info shows.
type info struct {
	Version      string
	OS           string
	Architecture string
	CPUs         int
	Images       int
	Engine       string
	Kernels      string // of linear algebra, "" for none
	DataDir      string
	CacheDir     string
	ConfigDir    string
}

func (a *app) infoCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "info",
		Short: "Show settings and folders",
		Args:  cobra.NoArgs,
		RunE: a.onStore(func(ctx context.Context, s *store.Store, _ []string) error {
			p, err := locate(a.env)
			if err != nil {
				return err
			}
			list, err := s.List(ctx)
			if err != nil {
				return err
			}
			rt, err := a.runtime(ctx)
			if err != nil {
				return err
			}
			defer rt.Close(context.WithoutCancel(ctx))
			i := info{
				Version: version.Get().Version, OS: goruntime.GOOS, Architecture: goruntime.GOARCH, CPUs: goruntime.NumCPU(),
				Images: len(list), Engine: rt.Engine(), Kernels: rt.Kernels(), DataDir: p.Data, CacheDir: p.Cache, ConfigDir: p.Config,
			}
			if format == "" {
				format = "Version: {{.Version}}\nPlatform: {{.OS}}/{{.Architecture}}, {{.CPUs}} CPUs\nEngine: {{.Engine}}\nKernels: {{or .Kernels \"none\"}}\nImages: {{.Images}}\nData: {{.DataDir}}\nCache: {{.CacheDir}}\nConfig: {{.ConfigDir}}"
			}
			return ux.Object(a.Out, format, i)
		}),
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "Go template, or json")
	return cmd
}
