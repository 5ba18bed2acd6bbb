package python

import (
	"context"
	"fmt"
	"strings"
)

// Run executes a program in the stage with the new files in place.
type Run func(ctx context.Context, argv []string) (exit int, output []byte, err error)

// importScript imports each module that is named and prints those that fail.
const importScript = `import importlib, sys
failed = 0
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except BaseException as e:
        failed = 1
        print("wherry-import", name, type(e).__name__, " ".join(str(e).split()), sep="\t")
sys.stdout.flush()
sys.exit(failed)
`

// ImportError lists modules that cannot be imported in the sandbox.
type ImportError struct{ Failures []ImportFailure }

// ImportFailure is one module and what its import raised.
type ImportFailure struct{ Module, Error string }

func (e *ImportError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of the installed modules cannot be imported in the sandbox", len(e.Failures))
	for _, f := range e.Failures {
		fmt.Fprintf(&b, "\n  %s: %s", f.Module, f.Error)
	}
	b.WriteString("\nleave the package out, or add --allow-import-errors if these modules are not used")
	return b.String()
}

// CheckImports imports every installed top-level module once.
func (r *Result) CheckImports(ctx context.Context, run Run) error {
	if len(r.Modules) == 0 {
		return nil
	}
	exit, output, err := run(ctx, append([]string{interpreter, "-c", importScript}, r.Modules...))
	if err != nil {
		return fmt.Errorf("import the installed modules: %w", err)
	}
	failure := &ImportError{}
	for line := range strings.Lines(string(output)) {
		f := strings.SplitN(strings.TrimRight(line, "\r\n"), "\t", 4)
		if len(f) == 4 && f[0] == "wherry-import" {
			failure.Failures = append(failure.Failures, ImportFailure{f[1], strings.TrimRight(f[2]+": "+f[3], ": ")})
		}
	}
	switch {
	case len(failure.Failures) == 0 && exit == 0:
		return nil
	case len(failure.Failures) == 0:
		return fmt.Errorf("import the installed modules: python ended with %d\n%s", exit, lastLines(output, 3))
	case r.allowImportErrors:
		for _, f := range failure.Failures {
			r.Notes = append(r.Notes, "cannot be imported: "+f.Module+": "+f.Error)
		}
		return nil
	}
	return failure
}
