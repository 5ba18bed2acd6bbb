package reactor_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/runtime"
)

// counting are guests that count: n parts, and what goes wrong before the part at.
const (
	countingGo = `package main

import (
	"errors"

	"guest-go/guest"
)

func init() {
	number := func(name string) guest.Field { return guest.Field{Name: name, Type: "INT32", Shape: []int{1}} }
	guest.ServeStream(guest.Signature{
		Name: "count", Inputs: []guest.Field{number("n"), number("at"), number("how")}, Outputs: []guest.Field{number("i")},
	}, func(r *guest.Request, emit func(...guest.Tensor) bool) error {
		n, at, how := r.Inputs["n"].Data[0], r.Inputs["at"].Data[0], r.Inputs["how"].Data[0]
		for i := byte(0); i < n || n == 255; i++ {
			if i == at {
				switch how {
				case 1:
					return errors.New("no more")
				case 2:
					panic("no more")
				case 3:
					emit(guest.Tensor{Name: "i", Type: "INT32", Shape: []int{1}, Data: []byte{1}})
				case 4:
					emit(guest.Tensor{Name: "j", Type: "INT32", Shape: []int{1}, Data: []byte{1, 0, 0, 0}})
				case 5:
					for emit(guest.Tensor{Name: "i", Type: "INT32", Shape: []int{1}, Data: []byte{1, 0, 0, 0}}) || true {
					}
				}
			}
			if !emit(guest.Tensor{Name: "i", Type: "INT32", Shape: []int{1}, Data: []byte{i, 0, 0, 0}}) {
				return nil
			}
		}
		return nil
	})
}

func main() {}
`
	countingC = `#include "wherry.h"
const char wherry_model[] = "{\"name\":\"count\",\"streams\":true,\"inputs\":[{\"name\":\"n\",\"datatype\":\"INT32\",\"shape\":[1]},"
	"{\"name\":\"at\",\"datatype\":\"INT32\",\"shape\":[1]},{\"name\":\"how\",\"datatype\":\"INT32\",\"shape\":[1]}],"
	"\"outputs\":[{\"name\":\"i\",\"datatype\":\"INT32\",\"shape\":[1]}]}";
void predict(wherry_request *q, wherry_response *p) {
	static int i;
	int64_t one = 1;
	int n, at, how;
	memcpy(&n, wherry_find(q, "n")->data, 4);
	memcpy(&at, wherry_find(q, "at")->data, 4);
	memcpy(&how, wherry_find(q, "how")->data, 4);
	for (i = 0; i < n || n == 255; i++) {
		if (i == at) switch (how) {
		case 1: case 2: wherry_refuse(p, NULL, "no more"); return;
		case 3: wherry_output(p, "i", "INT32", 1, &one, &i, 1); wherry_emit(p); break;
		case 4: wherry_output(p, "j", "INT32", 1, &one, &i, 4); wherry_emit(p); break;
		case 5: do wherry_output(p, "i", "INT32", 1, &one, &i, 4); while (wherry_emit(p) || 1);
		}
		wherry_output(p, "i", "INT32", 1, &one, &i, 4);
		if (i + 1 == n || !wherry_emit(p)) return; /* what p has is the last part */
	}
}
`
)

func countingGuest(t *testing.T, language string) []byte {
	dir := t.TempDir()
	if language == "C" {
		write(t, dir, "count.c", countingC)
		return cGuest(t, dir, "count.c")
	}
	return goProgram(t, countingGo)
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// goProgram compiles a program with the package of the example.
func goProgram(t *testing.T, text string) []byte {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "main.go", text)
	write(t, dir, "go.mod", "module guest-go\n\ngo 1.24\n")
	for _, name := range []string{"guest.go", "frame.go", "stream.go"} {
		text, err := os.ReadFile("../../examples/guest-go/guest/" + name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, "guest/"+name, string(text))
	}
	return compile(t, dir, []string{"GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=", "GOWORK=off"}, "go", "build", "-buildmode=c-shared")
}

// TestStream has guests answer in parts.
func TestStream(t *testing.T) {
	for _, language := range []string{"Go", "C"} {
		t.Run(language, func(t *testing.T) { testStream(t, language) })
	}
}

func testStream(t *testing.T, language string) {
	i, err := open(t, countingGuest(t, language), runtime.Limits{Fuel: 50_000_000})
	if err != nil {
		t.Fatal(err)
	}
	if s := i.Signature(); !s.Streams || s.Outputs[0].Shape[0] != -1 || len(s.Outputs[0].Part()) != 1 {
		t.Fatalf("%+v", s)
	}
	request := func(n, at, how int32) *model.Request {
		return &model.Request{Inputs: []model.Tensor{model.Of("n", []int32{n}), model.Of("at", []int32{at}), model.Of("how", []int32{how})}}
	}
	gone := errors.New("the client has left")
	var own *model.ModelError
	const never = 99
	for _, tt := range []struct {
		name       string
		n, at, how int32
		stop       int // at which part nobody wants more
		parts      int
		ok         func(error) bool
		broken     bool
	}{
		{"parts", 3, never, 0, 0, 3, func(err error) bool { return err == nil }, false},
		{"none", 0, never, 0, 0, 0, func(err error) bool { return err == nil || language == "C" && errors.As(err, &own) }, false},
		{"stopped", 5, never, 0, 2, 2, func(err error) bool { return err == gone }, false},
		{"without end, stopped", 255, never, 0, 40, 40, func(err error) bool { return err == gone }, false},
		{"refused", 5, 2, 1, 0, 2, func(err error) bool { return errors.As(err, &own) && own.Message == "no more" }, false},
		{"panics", 5, 2, 2, 0, 2, func(err error) bool { return errors.As(err, &own) && strings.Contains(own.Message, "no more") }, false},
		{"a part that is none", 5, 2, 3, 0, 2, func(err error) bool { return errors.As(err, &own) && own.Type == "protocol" }, false},
		{"a part of another name", 5, 2, 4, 0, 2, func(err error) bool { return errors.As(err, &own) && own.Type == "protocol" }, false},
		{"does not stop", 5, 0, 5, 1, 1, func(err error) bool {
			return err != gone && errors.Is(err, gone) && errors.As(err, new(*runtime.LimitError))
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			parts := 0
			usage, err := i.Stream(t.Context(), request(tt.n, tt.at, tt.how), func(r *model.Response) error {
				if want := model.Of("i", []int32{int32(parts)}); tt.how != 5 && (len(r.Outputs) != 1 || !bytes.Equal(r.Outputs[0].Data, want.Data)) {
					t.Errorf("part %d: %+v", parts, r.Outputs)
				}
				if parts++; parts == tt.stop {
					return gone
				}
				return nil
			})
			if !tt.ok(err) || parts != tt.parts || usage.Fuel == 0 || usage.Compute == 0 {
				t.Errorf("%d parts, %+v: %v", parts, usage, err)
			}
			if tt.broken {
				if err := i.Reset(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			r, err := i.Predict(t.Context(), request(4, never, 0))
			if want := model.Of("i", []int32{0, 1, 2, 3}); err != nil || !bytes.Equal(r.Outputs[0].Data, want.Data) || r.Outputs[0].Shape[0] != 4 {
				t.Errorf("whole, and afterwards: %+v, %v", r, err)
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := i.Stream(ctx, request(255, never, 0), func(*model.Response) error { <-ctx.Done(); return nil })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if err := i.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := i.Predict(t.Context(), request(1, never, 0)); err != nil {
			t.Error(err)
		}
	})
}
