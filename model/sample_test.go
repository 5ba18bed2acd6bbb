package model_test

import (
	"math/rand/v2"
	"reflect"
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

func TestBatch(t *testing.T) {
	s := &model.Signature{Inputs: []model.Field{
		{Name: "x", Type: model.FP32, Shape: []int64{-1, 2}}, {Name: "s", Type: model.Bytes, Shape: []int64{-1, 2}}, {Name: "k", Type: model.Int64, Shape: []int64{}},
	}}
	if s.Batches() {
		t.Error("a scalar is no row")
	}
	if rows := (&model.Signature{Inputs: s.Inputs[:2]}); !rows.Batches() {
		t.Error("rows are none")
	}
	r := &model.Request{Inputs: []model.Tensor{
		model.Of("x", []float32{1, 2, 3, 4}, 2, 2), model.Of("s", []string{"a", "bc", "d", ""}, 2, 2), model.Scalar("k", int64(7)),
	}}
	got, err := s.Batch(r, 3)
	if err != nil {
		t.Fatal(err)
	}
	want := []model.Tensor{
		model.Of("x", []float32{1, 2, 1, 2, 1, 2}, 3, 2), model.Of("s", []string{"a", "bc", "a", "bc", "a", "bc"}, 3, 2), model.Scalar("k", int64(7)),
	}
	if !reflect.DeepEqual(got.Inputs, want) || s.Check(got) != nil {
		t.Errorf("got %v", got.Inputs)
	}
	if _, err := s.Batch(r, 1<<40); err == nil {
		t.Error("a million million rows were made")
	}
}
