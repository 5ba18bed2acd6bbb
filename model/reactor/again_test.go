package reactor_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/runtime"
)

// spoilingGo tells what it was asked, and then changes all that it was given.
const spoilingGo = `package main

import (
	"fmt"

	"guest-go/guest"
)

func init() {
	x := func(name string) guest.Field { return guest.Field{Name: name, Type: "FP32", Shape: []int{-1, -1}} }
	guest.Serve(guest.Signature{
		Name: "spoil", Inputs: []guest.Field{x("x"), x("z")}, Outputs: []guest.Field{{Name: "y", Type: "BYTES", Shape: []int{-1}}},
	}, func(r *guest.Request) ([]guest.Tensor, error) {
		x, z := r.Inputs["x"], r.Inputs["z"]
		y := guest.OfStrings("y", fmt.Sprintln(len(r.Inputs), r.ID, r.Outputs, x.Name, x.Type, x.Shape, x.Floats(), z.Name, z.Type, z.Shape, z.Floats()))
		x.Shape[0], x.Name, x.Type, x.Data = 77, "q", "INT8", nil
		x.Shape = append(x.Shape, 9)
		z.Shape = nil
		r.ID, r.Outputs, r.Inputs["x"] = "id", []string{"y"}, z
		delete(r.Inputs, "z")
		return []guest.Tensor{y}, nil
	})
}

func main() {}
`

// TestAgain: requests that are described as the one before are what they say, whatever
// the guest did with that.
func TestAgain(t *testing.T) {
	i, err := open(t, goProgram(t, spoilingGo), runtime.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for n, shape := range [][2]int64{{2, 1}, {2, 1}, {1, 2}, {1, 2}, {1, 2}, {2, 2}, {2, 1}, {2, 1}, {1, 2}} {
		values := make([]float32, shape[0]*shape[1])
		for k := range values {
			values[k] = float32(n)
		}
		request := &model.Request{Inputs: []model.Tensor{model.Of("x", values, shape[0], shape[1]), model.Of("z", values[:1], 1, 1)}}
		outputs := "[]"
		if n == 4 {
			request.ID, request.Outputs, outputs = "four", []string{"y"}, "[y]"
		}
		r, err := i.Predict(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("2 %s %s x FP32 %v %v z FP32 [1 1] [%d]\n", request.ID, outputs, shape, values, n)
		if got := string(r.Outputs[0].Data[4:]); got != want {
			t.Errorf("%d: %q, not %q", n, got, want)
		}
	}
}

// TestGuest: the package that people copy has tests of its own, of what does without a
// host.
func TestGuest(t *testing.T) {
	c := exec.CommandContext(t.Context(), "go", "test", "-count=1", "frame.go", "guest.go", "frame_test.go")
	c.Dir, c.Env = "../../examples/guest-go/guest", append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
