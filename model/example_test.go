package model_test

import (
	"encoding/json"
	"fmt"

	"github.com/wherry-run/wherry/model"
)

func ExampleOf() {
	x := model.Of("x", []float32{5.1, 3.5, 1.4, 0.2}, 1, 4)
	text, err := json.Marshal(x)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
	values, err := model.Values[float64](model.Of("label", []int32{2}))
	fmt.Println(values, err)
	// Output:
	// {"name":"x","shape":[1,4],"datatype":"FP32","data":[5.1,3.5,1.4,0.2]}
	// [2] <nil>
}

func ExampleNewRequest() {
	s := &model.Signature{Inputs: []model.Field{
		{Name: "petal_length", Type: model.FP64, Shape: []int64{1}},
		{Name: "petal_width", Type: model.FP64, Shape: []int64{1}},
	}}
	r, err := model.NewRequest(s, struct{ PetalLength, PetalWidth float32 }{1.5, 0.25})
	if err != nil {
		panic(err)
	}
	for _, t := range r.Inputs {
		words, err := t.Strings()
		fmt.Println(t.Name, words, err)
	}
	_, err = model.NewRequest(s, struct{ PetalLenght float64 }{1.5})
	fmt.Println(err)
	// Output:
	// petal_length [1.5] <nil>
	// petal_width [0.25] <nil>
	// PetalLenght: the model has no such input (of struct { PetalLenght float64 }); it takes "petal_length", "petal_width"
}
