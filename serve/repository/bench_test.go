package repository

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkInfer is what the way to a model costs that takes no time itself: alone,
// and with more clients than instances.
func BenchmarkInfer(b *testing.B) {
	for _, clients := range []int{1, 16} {
		for _, timeout := range []time.Duration{0, time.Minute} {
			b.Run(fmt.Sprintf("clients=%d/timeout=%v", clients, timeout), func(b *testing.B) {
				f := newFake()
				c := one(f, func(l *Loaded) { l.Instances = 2 })
				c.Timeout = timeout
				r, err := New(b.Context(), c)
				if err != nil {
					b.Fatal(err)
				}
				defer r.Close(b.Context())
				b.ReportAllocs()
				b.SetParallelism(clients)
				b.RunParallel(func(pb *testing.PB) {
					call := &Call{Request: numbers(1, 2, 3, 4)}
					for pb.Next() {
						if _, err := r.Infer(b.Context(), call); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}
