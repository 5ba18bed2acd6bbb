package requestlog

import (
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
)

// FuzzParquet writes any values, and has somebody else's reader read them.
func FuzzParquet(f *testing.F) {
	f.Add("id", "model", `{"x":[1]}`, int64(1), 0.5, uint8(3))
	f.Add("", "\x00\xff", "", int64(math.MinInt64), math.Inf(1), uint8(0))
	f.Fuzz(func(t *testing.T, id, model, inputs string, n int64, seconds float64, count uint8) {
		path := filepath.Join(t.TempDir(), "log.parquet")
		s, err := openParquet(path)
		if err != nil {
			t.Fatal(err)
		}
		at := time.UnixMicro(n / 4)
		for range int(count) + 1 {
			if err := s.add(&row{time: at, id: id, model: model, inputs: inputs, fuel: n, seconds: seconds}); err != nil {
				t.Fatal(err)
			}
			if count%5 == 0 {
				if err := s.flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
		type line struct {
			Time    int64   `parquet:"time"`
			ID      string  `parquet:"id"`
			Model   string  `parquet:"model"`
			Inputs  string  `parquet:"inputs"`
			Fuel    int64   `parquet:"fuel"`
			Seconds float64 `parquet:"seconds"`
		}
		rows, err := parquet.ReadFile[line](path)
		if err != nil || len(rows) != int(count)+1 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		for _, r := range rows {
			if r.Time != at.UnixMicro() || r.ID != id || r.Model != model || r.Inputs != inputs || r.Fuel != n || math.Float64bits(r.Seconds) != math.Float64bits(seconds) {
				t.Fatalf("%+v", r)
			}
		}
	})
}
