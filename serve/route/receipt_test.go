package route

import (
	"net/http"
	"testing"
	"time"

	"github.com/wherry-run/wherry/serve/repository"
)

func TestSetReceipt(t *testing.T) {
	for _, c := range []struct {
		receipt repository.Receipt
		want    string
	}{
		{repository.Receipt{Digest: "sha256:ab", Fuel: 18446744073709551615, Memory: 9223372036854775807, Kernels: "avx2/1", Rows: 1, Batch: 1000000,
			Queue: 1500 * time.Nanosecond, Compute: 3*time.Second + 20*time.Microsecond},
			"digest=sha256:ab, fuel=18446744073709551615, memory=9223372036854775807, queue=2, compute=3000020, kernels=avx2/1, batch=1000000"},
		{repository.Receipt{Rows: 2, Batch: 2, Queue: -1, Compute: 999999600 * time.Nanosecond}, "queue=0, compute=1000000"},
	} {
		h := http.Header{}
		SetReceipt(h, &c.receipt)
		if got := h.Get("Wherry-Receipt"); got != c.want || len(h) != 1 {
			t.Errorf("%q, not %q", got, c.want)
		}
	}
}
