package serve

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/test/dock"
)

// dialects is a server of the models that the clients of TestDialects ask.
func dialects(t *testing.T) *server {
	t.Helper()
	args := []string{"--default-model", "iris"}
	for _, name := range []string{"iris", "cancer", "sentences"} {
		need(t, images[name])
		args = append(args, name+"="+images[name])
	}
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
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
	s := dialects(t)
	host, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
	t.Run("OpenAI", func(t *testing.T) { Calls(t, 30, "openai_sdk.py", s.URL) })
	t.Run("MLflow", func(t *testing.T) { Calls(t, 20, "tables.py", host, port) })
	t.Run("Cog", func(t *testing.T) { Calls(t, 33, "predictions.py", s.URL) })
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
		Calls(t, 33, "texts.py", s.URL, dir)
	})
}
