package native

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/model"
)

// TestMain is wherry-native for the tests: without ONNX Runtime, and with faults.
func TestMain(m *testing.M) {
	if os.Getenv("WHERRY_TEST_NATIVE") == "" {
		os.Exit(m.Run())
	}
	switch os.Getenv("WHERRY_TEST_NATIVE") {
	case "garbage":
		os.Stdout.WriteString("Hello, I am a library that prints\n")
		io.Copy(io.Discard, os.Stdin)
	case "no library":
		os.Stderr.WriteString("wherry-native: load it: no such library\n")
		os.Exit(1)
	default:
		if err := Serve(os.Stdin, os.Stdout, fake{}); err != nil {
			os.Stderr.WriteString("wherry-native: " + err.Error() + "\n")
			os.Exit(1)
		}
	}
	os.Exit(0)
}

// fake gives inputs back as the outputs that are wanted.
type fake struct{}

func (fake) Version() string { return "1.2.3" }

func (fake) Load(file string, threads int) (Session, error) {
	if file != "good" {
		return nil, &model.ModelError{Type: "NO_SUCHFILE", Message: file}
	}
	return fake{}, nil
}

func (fake) Run(inputs []model.Tensor, outputs []string) ([]model.Tensor, error) {
	if len(inputs) == 0 || len(outputs) < len(inputs) {
		return inputs, nil
	}
	switch inputs[0].Name {
	case "exit":
		os.Stderr.WriteString("a library in trouble\n")
		os.Exit(7)
	case "sleep":
		time.Sleep(time.Minute)
	case "refuse":
		return nil, &model.InputError{Reason: "no"}
	case "fail":
		return nil, &model.ModelError{Type: "FAIL", Message: "no"}
	case "fewer":
		return nil, nil
	case "lie":
		inputs[0].Shape = []int64{1 << 40}
	}
	for i := range inputs {
		inputs[i].Name = outputs[i]
	}
	return inputs, nil
}

var signature = &model.Signature{Outputs: []model.Field{{Name: "y", Type: model.FP32, Shape: []int64{-1}}}}

func start(t *testing.T, how, file string) (*Instance, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("WHERRY_TEST_NATIVE", how)
	i, err := Open(t.Context(), file, signature, Options{Program: self, Library: "library"})
	if err == nil {
		t.Cleanup(func() {
			if err := i.Close(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		})
	}
	return i, err
}

func TestInstance(t *testing.T) {
	i, err := start(t, "serve", "good")
	if err != nil {
		t.Fatal(err)
	}
	x := model.Of("x", []float32{1, 2, 3})
	big := model.Of("x", make([]float32, 8<<20))
	for _, in := range []model.Tensor{x, big, x} {
		got, err := i.Predict(t.Context(), &model.Request{Inputs: []model.Tensor{in}})
		if err != nil || len(got.Outputs) != 1 || got.Outputs[0].Name != "y" || !bytes.Equal(got.Outputs[0].Data, in.Data) {
			t.Fatalf("%v %v", got, err)
		}
	}
	ask := func(ctx context.Context, name string) error {
		_, err := i.Predict(ctx, &model.Request{Inputs: []model.Tensor{model.Of(name, []float32{1})}})
		return err
	}
	var input *model.InputError
	var own *model.ModelError
	if err := ask(t.Context(), "refuse"); !errors.As(err, &input) {
		t.Errorf("an input: %v", err)
	}
	if err := ask(t.Context(), "fail"); !errors.As(err, &own) || own.Type != "FAIL" {
		t.Errorf("the model: %v", err)
	}
	if err := ask(t.Context(), "x"); err != nil || i.Reset(t.Context()) != nil {
		t.Errorf("after that: %v", err)
	}
	if i.Version() != "1.2.3" {
		t.Error(i.Version())
	}
}

// TestBroken has the process fail; a pool makes another for the next request.
func TestBroken(t *testing.T) {
	for how, says := range map[string]string{"exit": "exit status 7", "fewer": "another shape", "lie": "bytes"} {
		i, err := start(t, "serve", "good")
		if err != nil {
			t.Fatal(err)
		}
		bad := &model.Request{Inputs: []model.Tensor{model.Of(how, []float32{1})}}
		_, err = i.Predict(t.Context(), bad)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", how, err)
		}
		if i.Reset(t.Context()) == nil {
			t.Errorf("%s: it goes on", how)
		}
	}
	for how, says := range map[string]string{"garbage": "another shape", "no library": "no such library"} {
		if _, err := start(t, how, "good"); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", how, err)
		}
	}
	var own *model.ModelError
	if _, err := start(t, "serve", "bad"); !errors.As(err, &own) || own.Type != "NO_SUCHFILE" {
		t.Errorf("no model: %v", err)
	}
	if _, err := Open(t.Context(), "good", signature, Options{Program: filepath.Join(t.TempDir(), "none")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no program: %v", err)
	}
}

func TestCancel(t *testing.T) {
	i, err := start(t, "serve", "good")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = i.Predict(ctx, &model.Request{Inputs: []model.Tensor{model.Of("sleep", []float32{1})}})
	if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 10*time.Second {
		t.Errorf("%v after %v", err, took)
	}
	if _, err := i.Predict(t.Context(), &model.Request{}); err == nil {
		t.Error("a process that was killed answers")
	}
}

// TestPool has a crash be the error of one request.
func TestPool(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("WHERRY_TEST_NATIVE", "serve")
	s := &model.Signature{Inputs: []model.Field{{Name: "x", Type: model.FP32, Shape: []int64{-1}}}, Outputs: signature.Outputs}
	p, err := model.NewPool(t.Context(), model.PoolConfig{
		Signature: s, Check: func(*model.Request) error { return nil },
		New: func(ctx context.Context) (model.Instance, error) {
			return Open(ctx, "good", s, Options{Program: self, Library: "library"})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for n, name := range []string{"x", "exit", "x", "lie", "x"} {
		_, err := p.Predict(t.Context(), &model.Request{Inputs: []model.Tensor{model.Of(name, []float32{1})}})
		if (name == "x") != (err == nil) {
			t.Errorf("request %d, %s: %v", n, name, err)
		}
	}
	if s := p.Stats(); s.Broken != 2 || s.Made != 3 {
		t.Errorf("%+v", s)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestExtract(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{"/m/model.onnx": "no model at all"}
	open := func(name string) (File, error) {
		text, ok := files[name]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return memory{strings.NewReader(text)}, nil
	}
	if _, err := Extract(filepath.Join(dir), "/m/model.onnx", open); err == nil {
		t.Error("what is no model is extracted")
	}
	if _, err := Extract(t.TempDir(), "/m/none.onnx", open); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

type memory struct{ *strings.Reader }

func (memory) Close() error { return nil }

func TestFindLibrary(t *testing.T) {
	dir := t.TempDir()
	name := map[string]string{"windows": "onnxruntime.dll", "darwin": "libonnxruntime.1.30.0.dylib"}
	file := name[runtime.GOOS]
	if file == "" {
		file = "libonnxruntime.so.1.30.0"
	}
	none := func(string) string { return "" }
	t.Setenv("PATH", dir)
	t.Setenv("NODE_PATH", filepath.Join(dir, "node_modules"))
	t.Chdir(dir)
	var missing *NoLibraryError
	if _, err := FindLibrary(t.Context(), "", none); !errors.As(err, &missing) || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("nothing is there: %v", err)
	}
	system, arch := nodeNames()
	there := filepath.Join(dir, "node_modules", "onnxruntime-node", "bin", "napi-v6", system, arch)
	full := filepath.Join(there, file)
	if err := errors.Join(os.MkdirAll(there, 0o700), os.WriteFile(full, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for what, get := range map[string]func() (string, error){
		"npm":      func() (string, error) { return FindLibrary(t.Context(), "", none) },
		"named":    func() (string, error) { return FindLibrary(t.Context(), full, none) },
		"a folder": func() (string, error) { return FindLibrary(t.Context(), there, none) },
		"variable": func() (string, error) { return FindLibrary(t.Context(), "", func(string) string { return full }) },
	} {
		if got, err := get(); err != nil || got != full {
			t.Errorf("%s: %q %v", what, got, err)
		}
	}
	if _, err := FindLibrary(t.Context(), filepath.Join(dir, "none"), none); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a name of nothing: %v", err)
	}
	if _, err := FindLibrary(t.Context(), dir, none); err == nil {
		t.Error("a folder without one")
	}
}

func FuzzFrame(f *testing.F) {
	var good bytes.Buffer
	list, data := pieces([]model.Tensor{model.Of("x", []float32{1, 2}), model.Of("s", []string{"a", ""})})
	if err := writeFrame(&good, Message{Run: &Run{Inputs: list, Outputs: []string{"y"}}}, data); err != nil {
		f.Fatal(err)
	}
	f.Add(good.Bytes())
	f.Add(append(good.Bytes(), good.Bytes()...))
	huge := append([]byte(nil), good.Bytes()...)
	binary.LittleEndian.PutUint64(huge[len(frameHead)+4:], 1<<31)
	f.Add(huge)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, data, err := readFrame(bytes.NewReader(b))
		if err != nil {
			return
		}
		if m.Run != nil {
			if list, err := tensors(m.Run.Inputs, data); err == nil {
				for i := range list {
					if list[i].Check() != nil {
						t.Errorf("%v", list[i])
					}
				}
			}
		}
		var again bytes.Buffer
		if err := writeFrame(&again, m, [][]byte{data}); err != nil {
			t.Fatal(err)
		}
		if _, twice, err := readFrame(&again); err != nil || !bytes.Equal(data, twice) {
			t.Errorf("%v", err)
		}
		_ = Serve(bytes.NewReader(b), io.Discard, fake{})
	})
}
