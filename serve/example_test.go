package serve_test

import (
	"context"
	"log"
	"net/http"

	"github.com/wherry-run/wherry"
	"github.com/wherry-run/wherry/serve"
)

// A Go service that answers for a model with all protocols, beside its own paths.
func Example() {
	ctx := context.Background()
	m, err := wherry.Open(ctx, "iris:1")
	if err != nil {
		log.Fatal(err)
	}
	s, err := serve.New(ctx, serve.Config{Repository: serve.Models("iris", m)})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close(ctx)
	http.Handle("/models/", http.StripPrefix("/models", s)) // POST /models/predict
	log.Fatal(http.ListenAndServe("localhost:8080", nil))
}
