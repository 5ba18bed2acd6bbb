// Command trend is a model: it lays a line through values and says how they go on.
package main

import "guest-go/guest"

func init() {
	guest.Serve(guest.Signature{
		Name: "trend",
		Inputs: []guest.Field{{
			Name: "values", Type: "FP32", Shape: []int{-1},
			Parameters: map[string]any{"description": "what was measured, at the same distance"},
		}},
		Outputs: []guest.Field{
			{Name: "next", Type: "FP32", Shape: []int{1}},
			{Name: "direction", Type: "BYTES", Shape: []int{1}, Parameters: map[string]any{"kind": "text"}},
		},
	}, predict)
}

// predict fits a line by least squares.
func predict(r *guest.Request) ([]guest.Tensor, error) {
	values := r.Inputs["values"].Floats()
	n := float64(len(values))
	if n == 0 {
		return nil, &guest.InputError{Input: "values", Reason: "there is none"}
	}
	var sum, moment float64
	for i, v := range values {
		sum += float64(v)
		moment += float64(v) * (float64(i) - (n-1)/2)
	}
	slope := 0.0 // of a single value
	if n > 1 {
		slope = moment / (n * (n*n - 1) / 12)
	}
	direction := "level"
	if slope > 0 {
		direction = "up"
	} else if slope < 0 {
		direction = "down"
	}
	next := float32(sum/n + slope*(n+1)/2)
	return []guest.Tensor{guest.OfFloats("next", []float32{next}), guest.OfStrings("direction", direction)}, nil
}

func main() {}
