package shell_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNumbers runs scripts in a container whose /dev/urandom is a file: what
// they print is then known, wherever the variable stands.
func TestNumbers(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "dev"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "dev", "urandom"), []byte("\x01\xff\x00\x80"), 0o644); err != nil {
		t.Fatal(err)
	}
	cases := []struct{ script, want string }{
		{`echo $$ ${$} $PPID "$$-$PPID"`, "1 1 0 1-0"},
		{`echo $RANDOM ${RANDOM} "<$RANDOM>"`, "32513 32513 <32513>"},
		{`echo $SRANDOM`, "2147548929"},
		{`echo $(echo $RANDOM) $( (echo "$RANDOM") | cat)`, "32513 32513"},
		{`echo $((RANDOM % 10)) $(( ($RANDOM) + 1 )) $((-RANDOM))`, "3 32514 -32513"},
		{`(( RANDOM == 32513 )) && echo same`, "same"},
		{`x=$RANDOM; echo $x`, "32513"},
		{"cat <<E\n$RANDOM\nE", "32513"},
		{`echo RANDOM '$RANDOM' \$RANDOM \$\$`, "RANDOM $RANDOM $RANDOM $$"},
	}
	for _, c := range cases {
		out, talk, status, err := script(t.Context(), dir, c.script)
		if err != nil || status != 0 || strings.TrimSpace(out) != c.want {
			t.Errorf("%s: %q, want %q (status %d, %v, %s)", c.script, out, c.want, status, err, talk)
		}
	}
}
