// Command native is a trivial handler of net/http: it adds one to numbers, and takes
// and gives the JSON that a model image of the same function does.
package main

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("POST /predict", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<20))
		var v struct{ X []float32 }
		if err == nil {
			err = json.Unmarshal(text, &v)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for i := range v.X {
			v.X[i]++
		}
		text, err = json.Marshal(map[string][]float32{"y": v.X})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text)
	})
	log.Fatal(http.ListenAndServe(os.Args[1], nil))
}
