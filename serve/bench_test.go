package serve_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/wherry-run/wherry/serve"
	"github.com/wherry-run/wherry/serve/repository"
)

// BenchmarkTrivial is what a request costs whose model costs nothing, beside a handler
// of net/http that reads and writes the same JSON. Client and server are one process.
func BenchmarkTrivial(b *testing.B) {
	native := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
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
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string][]float32{"y": v.X})
	})
	s, err := serve.New(b.Context(), serve.Config{Repository: repository.Config{Sources: []repository.Source{serve.Source("m", &adder{plus: 1}, 2)}}})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close(b.Context())
	for _, c := range []struct {
		name string
		h    http.Handler
	}{{"native", native}, {"serve", s}} {
		b.Run(c.name, func(b *testing.B) {
			h := httptest.NewServer(c.h)
			defer h.Close()
			address := h.Listener.Addr().String()
			const body = `{"x":[5.1,3.5,1.4,0.2]}`
			request := fmt.Sprintf("POST /predict HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", address, len(body), body)
			b.ReportAllocs()
			b.ResetTimer()
			const clients = 32
			var wg sync.WaitGroup
			for i := range clients {
				wg.Go(func() {
					if err := repeat(address, request, (b.N+i)/clients); err != nil {
						b.Error(err)
					}
				})
			}
			wg.Wait()
		})
	}
}

// repeat sends a request over one connection again and again.
func repeat(address, request string, n int) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	in := bufio.NewReader(c)
	for range n {
		if _, err := io.WriteString(c, request); err != nil {
			return err
		}
		r, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return err
		}
		if r.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", r.StatusCode)
		}
	}
	return nil
}
