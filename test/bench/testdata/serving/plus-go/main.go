// Command plus is a model that costs nothing: it adds one to numbers.
package main

import "guest-go/guest"

func init() {
	guest.Serve(guest.Signature{
		Name:    "plus",
		Inputs:  []guest.Field{{Name: "x", Type: "FP32", Shape: []int{-1}}},
		Outputs: []guest.Field{{Name: "y", Type: "FP32", Shape: []int{-1}}},
	}, func(r *guest.Request) ([]guest.Tensor, error) {
		x := r.Inputs["x"].Floats()
		for i := range x {
			x[i]++
		}
		return []guest.Tensor{guest.OfFloats("y", x)}, nil
	})
}

func main() {}
