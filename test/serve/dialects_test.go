package serve

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/test/dock"
)

// sorters is a server of a model that classifies texts and one that ranks them.
func sorters(t *testing.T) *server {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	var args []string
	for _, name := range []string{"classes", "rank"} {
		cmd := exec.CommandContext(t.Context(), path, "build", "-q", "-t", "localhost/test-serve:"+name, filepath.Join("testdata", name))
		cmd.Env = append(os.Environ(), "WHERRY_HOME="+dock.Home(t))
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, text)
		}
		args = append(args, name+"=localhost/test-serve:"+name)
	}
	return Start(t, args...)
}

// TestDialects has clients of other servers ask: OpenAI's SDK, Hugging Face's client of
// Text Embeddings Inference, Ollama's, MLflow's; and makes the requests of Cog's
// documents, which has no client.
func TestDialects(t *testing.T) {
	s, small := Shared(t), sorters(t)
	host, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
	t.Run("documents", func(t *testing.T) { typeAgain(t, s, 10, "## One model, the protocols of many servers") })
	t.Run("OpenAI", func(t *testing.T) { Calls(t, 30, "openai_sdk.py", s.URL) })
	t.Run("MLflow", func(t *testing.T) { Calls(t, 20, "tables.py", host, port) })
	t.Run("Cog", func(t *testing.T) { Calls(t, 33, "predictions.py", s.URL, small.URL) })
	t.Run("texts", func(t *testing.T) {
		list, err := os.ReadFile(filepath.Join("testdata", "texts.txt"))
		if err != nil {
			t.Fatal(err)
		}
		file, err := filepath.Abs(filepath.Join("testdata", "texts.txt"))
		if err != nil {
			t.Fatal(err)
		}
		_, dir := dock.Pinned(t, string(list), file)
		Calls(t, 36, "texts.py", s.URL, small.URL, dir)
	})
}

// typeAgain types the lines that a chapter of docs/serving.md has for a shell, at
// least so many.
func typeAgain(t *testing.T, s *server, least int, chapter string) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "serving.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(text), "\n"+chapter+"\n")
	if !ok {
		t.Fatalf("docs/serving.md has no chapter %q", chapter)
	}
	after, _, _ = strings.Cut(after, "\n## ")
	dock.Find(t, "curl")
	shell, typed := dock.Find(t, "sh"), 0
	for i, block := range strings.Split(after, "```") {
		lines, ok := strings.CutPrefix(block, "sh\n")
		if i%2 == 0 || !ok {
			continue
		}
		for line := range strings.Lines(lines) {
			line = strings.ReplaceAll(line, "http://localhost:8080", s.URL)
			line = strings.ReplaceAll(line, "curl ", "curl -sS --fail-with-body ")
			if out, err := exec.CommandContext(t.Context(), shell, "-c", line).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", line, err, out)
			}
			typed++
		}
	}
	if typed < least {
		t.Errorf("%d lines typed", typed)
	}
	t.Logf("%d lines typed", typed)
}
