package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/packager"
)

func (a *app) initCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init [FOLDER]",
		Short: "Write a Wasmfile for what a folder holds",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			folder := "."
			if len(args) == 1 {
				folder = args[0]
			}
			root, err := os.OpenRoot(folder)
			if err != nil {
				return err
			}
			defer root.Close()
			guess, err := packager.Recognise(root.FS())
			if err != nil {
				return fmt.Errorf("%s: %w", folder, err)
			}
			f, err := root.OpenFile("Wasmfile", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if errors.Is(err, os.ErrExist) {
				return &hinted{fmt.Errorf("%s has a Wasmfile already", folder), "build it: wherry build " + folder}
			}
			if err != nil {
				return err
			}
			if _, err := f.WriteString(guess.Recipe); err != nil {
				f.Close()
				return err
			}
			if err := f.Close(); err != nil {
				return err
			}
			fmt.Fprintf(a.Err, "%s; wrote %s\nrun it: wherry run %s\n", guess.Why, "Wasmfile", asPath(folder))
			return nil
		},
	}
}

// asPath writes a folder so that run takes it as a path.
func asPath(folder string) string {
	if isPath(folder) {
		return folder
	}
	return "." + string(os.PathSeparator) + folder
}
