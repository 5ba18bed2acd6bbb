package runtime_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"github.com/wherry-run/wherry/runtime"
)

// script runs a script of the container's shell.
func script(t *testing.T, text string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	c := create(t, runtime.Program("probe", probeWasm(t)), runtime.Spec{
		Entrypoint: []string{"sh", "-c"}, Args: []string{text}, Stdout: &out, Stderr: &out,
	})
	err := c.Run(t.Context())
	return out.String(), err
}

func TestHostileScripts(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`printf '\000asm\001\000\000\000' > /big; truncate -s 1G /big; chmod +x /big; /big; echo $?`, "126\n"},
		{`cat <&-; echo lost >&-; /probe args x >&-; /probe stdin <&-; echo here`, "here\n"},
		{`f() { f; }; f`, "nest too deep"},
		{`x=$(yes '(' | head -c 400000 | tr -d '\n'); eval "$x"; echo never`, "brackets"},
		{`yes '(' | head -c 400000 > /s; . /s; echo never`, "brackets"},
		{`yes '- ' | head -c 900000 | tr -d '\n' > /s; printf 'echo $((%s1))' "$(cat /s)" > /t; sh /t; echo $?`, "operators"},
	} {
		out, err := script(t, c.text)
		if !strings.Contains(out, c.want) || strings.Contains(out, "never") {
			t.Errorf("%s: got %q, %v", c.text, out, err)
		}
	}
}

func TestLongWorkingDir(t *testing.T) {
	c := create(t, runtime.Program("probe", probeWasm(t)), runtime.Spec{WorkingDir: strings.Repeat("/a", 2<<20)})
	if err := c.Run(t.Context()); err == nil {
		t.Error("enters a folder with a name of megabytes")
	}
}

func TestNoProgram(t *testing.T) {
	c := create(t, runtime.Program("probe", probeWasm(t)), runtime.Spec{})
	if err := c.Exec(t.Context(), runtime.Process{}); err == nil {
		t.Error("runs nothing")
	}
}

// TestManyModules: modules come and go while several containers use them.
func TestManyModules(t *testing.T) {
	wasm := probeWasm(t)
	var wg sync.WaitGroup
	for i := range 20 {
		// A custom section makes it another module; two containers share each.
		other := append(bytes.Clone(wasm), 0, 3, 1, 'x', byte(i/2))
		wg.Go(func() {
			for range 3 {
				c := create(t, runtime.Program("probe", other), runtime.Spec{Args: []string{"args"}})
				if err := c.Run(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
