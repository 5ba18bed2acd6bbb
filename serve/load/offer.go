package load

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// maxOffered bounds the connections of Offer. Who comes when all of them wait for an
// answer is counted as an error.
const maxOffered = 4096

// busy is the error of who found no connection.
const busy = "all connections wait"

// Offer sends the request so often in a second, at random moments and whether the last
// one was answered or not, as many people do who do not know of each other. Latencies
// are from the moment when a request was due. It returns when all are answered.
func (t *Target) Offer(ctx context.Context, perSecond float64, d time.Duration) (*Result, error) {
	request, err := t.request()
	if err != nil {
		return nil, err
	}
	o := &offer{target: t, request: request, clients: make(chan *client, maxOffered), sum: Result{Statuses: map[int]int{}, Errors: map[string]int{}}}
	began, random := time.Now(), rand.New(rand.NewPCG(1, 2))
	for due := began; ctx.Err() == nil; {
		due = due.Add(time.Duration(random.ExpFloat64() / perSecond * float64(time.Second)))
		if due.Sub(began) > d {
			break
		}
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		o.begin(ctx, due)
	}
	o.asking.Wait()
	all := &o.sum
	close(o.clients)
	for c := range o.clients {
		c.close()
		all.add(&c.Result)
	}
	all.Took = time.Since(began)
	slices.Sort(all.Latencies)
	slices.Sort(all.Late)
	return all, ctx.Err()
}

// offer is what Offer has at work.
type offer struct {
	target  *Target
	request []byte
	clients chan *client // that have nothing to do
	made    int
	asking  sync.WaitGroup
	sum     Result // without that of clients
}

// begin has a client ask. Only one goroutine calls it.
func (o *offer) begin(ctx context.Context, due time.Time) {
	var c *client
	select {
	case c = <-o.clients:
	default:
		if o.made == maxOffered {
			o.sum.Errors[busy]++
			return
		}
		o.made++
		c = &client{target: o.target, request: o.request, Result: Result{Statuses: maps.Clone(o.sum.Statuses), Errors: map[string]int{}}}
	}
	o.asking.Go(func() {
		late, before := time.Since(due), len(c.Latencies)
		c.once(ctx, due)
		if len(c.Latencies) > before {
			c.Late = append(c.Late, late)
		}
		o.clients <- c
	})
}
