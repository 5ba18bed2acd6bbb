// Command embed is a service that predicts in its own process: a model's image and
// net/http, nothing else.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/wherry-run/wherry"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/runtime"
)

// Flower is what the model of examples/iris takes, in centimetres.
type Flower struct {
	SepalLength float64 `json:"sepal_length"`
	SepalWidth  float64 `json:"sepal_width"`
	PetalLength float64 `json:"petal_length"`
	PetalWidth  float64 `json:"petal_width"`
}

// Guess is what it answers.
type Guess struct {
	Species     string  `json:"species"`
	Probability float64 `json:"probability"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	image := "iris:1"
	if len(os.Args) > 1 {
		image = os.Args[1]
	}
	iris, err := wherry.Open(ctx, image, wherry.WithLog(os.Stderr),
		wherry.WithLimits(runtime.Limits{Memory: 1 << 30, Timeout: 5 * time.Second}))
	if err != nil {
		log.Fatal(err)
	}
	defer iris.Close(context.WithoutCancel(ctx))
	server := &http.Server{Addr: "localhost:8080", Handler: handler(iris), ReadTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { server.Shutdown(context.WithoutCancel(ctx)) })
	log.Printf("curl -d '{\"sepal_length\":5.1,\"sepal_width\":3.5,\"petal_length\":1.4,\"petal_width\":0.2}' http://%s/", server.Addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Print(err)
	}
}

// handler answers a flower with a guess. Requests that are given up, that do not fit
// the model or that it refuses harm no other.
func handler(iris model.Predictor) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var flower Flower
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&flower); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		guess, err := wherry.Call[Flower, Guess](r.Context(), iris, flower)
		switch {
		case errors.As(err, new(*model.InputError)):
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		case err != nil:
			log.Print(err)
			http.Error(w, "the model did not answer", http.StatusInternalServerError)
		default:
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(guess)
		}
	})
}
