package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry"
	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/test/dock"
)

// stand answers in the model's stead.
type stand struct{ err error }

func (stand) Signature() *model.Signature {
	s := &model.Signature{Outputs: []model.Field{{Name: "species", Type: model.Bytes, Shape: []int64{1}}, {Name: "probability", Type: model.FP64, Shape: []int64{1}}}}
	for _, name := range []string{"sepal_length", "sepal_width", "petal_length", "petal_width"} {
		s.Inputs = append(s.Inputs, model.Field{Name: name, Type: model.FP64, Shape: []int64{1}})
	}
	return s
}

func (s stand) Predict(context.Context, *model.Request) (*model.Response, error) {
	return &model.Response{Outputs: []model.Tensor{model.Of("species", []string{"setosa"}), model.Of("probability", []float64{0.5})}}, s.err
}

func (stand) Close(context.Context) error { return nil }

const flower = `{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}`

func TestHandler(t *testing.T) {
	for _, c := range []struct {
		name, body, want string
		err              error
		code             int
	}{
		{"answer", flower, `{"species":"setosa","probability":0.5}`, nil, http.StatusOK},
		{"no JSON", "{", "unexpected EOF", nil, http.StatusBadRequest},
		{"no fit", flower, "petal_width: out of bounds", &model.InputError{Tensor: "petal_width", Reason: "out of bounds"}, http.StatusUnprocessableEntity},
		{"failure", flower, "the model did not answer", &model.ModelError{Type: "KeyError", Message: "/etc/secret"}, http.StatusInternalServerError},
	} {
		w := httptest.NewRecorder()
		handler(stand{c.err}).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(c.body)))
		if got := strings.TrimSpace(w.Body.String()); w.Code != c.code || got != c.want {
			t.Errorf("%s: got %d %s, want %d %s", c.name, w.Code, got, c.code, c.want)
		}
	}
}

// The whole service, over the image of examples/iris.
func TestService(t *testing.T) {
	if os.Getenv("CI") != "true" && os.Getenv("WHERRY_TEST_PYTHON") == "" {
		t.Skip("NOT TESTED: the model needs the Python module of 99 MB: set WHERRY_TEST_PYTHON=1")
	}
	home := dock.Home(t)
	const image = "localhost/test-embed:iris"
	command := dock.Native(t, home)
	command.Limit = 30 * time.Minute // the first one on a machine compiles the module
	command.Must(t, "", "build", "-q", "-t", image, filepath.Join(dock.Root(t), "examples", "iris"))
	archive := filepath.Join(t.TempDir(), "iris.tar")
	command.Must(t, "", "save", "-o", archive, image)
	for name, open := range map[string]func() (*wherry.Model, error){
		"store": func() (*wherry.Model, error) {
			return wherry.Open(t.Context(), image, wherry.WithHome(home), wherry.WithPull(images.PullNever))
		},
		"embedded": func() (*wherry.Model, error) { return openEmbedded(t, archive) },
	} {
		t.Run(name, func(t *testing.T) {
			m, err := open()
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close(t.Context())
			server := httptest.NewServer(handler(m))
			defer server.Close()
			r, err := http.Post(server.URL, "application/json", strings.NewReader(flower))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			if text, err := io.ReadAll(r.Body); err != nil || !strings.HasPrefix(string(text), `{"species":"setosa","probability":0.98`) {
				t.Errorf("got %s, %v", text, err)
			}
		})
	}
}

// openEmbedded opens the image out of a file system, and leaves nothing behind.
func openEmbedded(t *testing.T, archive string) (*wherry.Model, error) {
	t.Helper()
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("TMP", temp)
	t.Setenv("WHERRY_HOME", dock.Home(t)) // for the modules that are compiled
	t.Cleanup(func() {
		if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
	return wherry.Open(t.Context(), filepath.Base(archive), wherry.FromFS(os.DirFS(filepath.Dir(archive))))
}
