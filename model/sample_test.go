package model_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model"
)

// TestSampleBounds makes up requests for signatures that ask for more than there is:
// in one element, in one input, in all of them.
func TestSampleBounds(t *testing.T) {
	long := &model.FieldParameters{Choices: []any{strings.Repeat("x", 60_000)}}
	var many []model.Field
	for range 4096 {
		many = append(many, model.Field{Name: "x", Type: model.FP64, Shape: []int64{8 << 20}})
	}
	for name, inputs := range map[string][]model.Field{
		"long texts":    {{Name: "x", Type: model.Bytes, Shape: []int64{8 << 20}, Parameters: long}},
		"long input":    {{Name: "x", Type: model.Uint8, Shape: []int64{1 << 40}}},
		"many inputs":   many,
		"no such shape": {{Name: "x", Type: model.Uint8, Shape: []int64{1 << 40, 1 << 40}}},
	} {
		s := &model.Signature{Inputs: inputs}
		if _, err := s.Sample(rand.New(rand.NewPCG(1, 2))); err == nil || !strings.Contains(err.Error(), "too much to make up") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
