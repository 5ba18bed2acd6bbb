package route

import (
	"net/http"
	"testing"
	"time"

	"github.com/wherry-run/wherry/serve/repository"
)

func TestSetReceipt(t *testing.T) {
	h := http.Header{}
	SetReceipt(h, &repository.Receipt{Digest: "sha256:ab", Fuel: 18446744073709551615, Memory: 9223372036854775807, Kernels: "avx2/1", Rows: 1, Batch: 1000000,
		Queue: 1500 * time.Nanosecond, Compute: 3*time.Second + 20*time.Microsecond})
	for name, want := range map[string]string{
		HeaderDigest: "sha256:ab", HeaderFuel: "18446744073709551615", HeaderMemory: "9223372036854775807", HeaderKernels: "avx2/1", HeaderBatch: "1000000",
		HeaderQueue: "0.000002", HeaderCompute: "3.000020",
	} {
		if h.Get(name) != want {
			t.Errorf("%s is %q, not %q", name, h.Get(name), want)
		}
	}
	h = http.Header{}
	SetReceipt(h, &repository.Receipt{Rows: 2, Batch: 2, Queue: -1, Compute: 999999600 * time.Nanosecond})
	if len(h) != 2 || h.Get(HeaderQueue) != "0.000000" || h.Get(HeaderCompute) != "1.000000" {
		t.Errorf("%v", h)
	}
	h.Add(HeaderQueue, "again") // does not touch the next one
	if h.Get(HeaderCompute) != "1.000000" {
		t.Errorf("%v", h)
	}
}
