package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/go-units"

	"github.com/wherry-run/wherry"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/model"
)

// loadRow is a line of wherry bench: many requests of one size.
type loadRow struct {
	Batch     int64
	Instances int
	Requests  int
	P50       seconds
	P90       seconds
	P99       seconds
	PerSecond rate   // requests
	Rows      rate   // a second
	Bar       string `json:"-"`

	latencies []time.Duration
}

// rate is how often a second.
type rate float64

func (r rate) String() string {
	if r >= 100 {
		return fmt.Sprintf("%.0f", float64(r))
	}
	return fmt.Sprintf("%.3g", float64(r))
}

var loadColumns = []ux.Column{
	{Heading: "BATCH", Field: "Batch"}, {Heading: "INSTANCES", Field: "Instances"}, {Heading: "REQUESTS", Field: "Requests"},
	{Heading: "P50", Field: "P50"}, {Heading: "P90", Field: "P90"}, {Heading: "P99", Field: "P99"},
	{Heading: "REQUESTS/S", Field: "PerSecond"}, {Heading: "ROWS/S", Field: "Rows"}, {Heading: "", Field: "Bar"},
}

// benchModel measures answers of a model that stands ready.
func (a *app) benchModel(ctx context.Context, what string, words []string, o benchOptions) error {
	o.native.threads = max(1, goruntime.GOMAXPROCS(0)/max(1, o.instances))
	m, err := a.openModel(ctx, what, o.modelOptions, wherry.WithInstances(o.instances))
	var none *wherry.NotModelError
	if errors.As(err, &none) {
		return &hinted{&ux.UsageError{Text: what + " is no model; its starts can be measured"}, "wherry bench --startup " + what}
	}
	if err != nil {
		return err
	}
	defer m.close()
	var cases []model.Case
	if len(words) == 0 {
		golden, err := m.Golden(ctx)
		if err != nil {
			return err
		}
		if golden != nil {
			cases = golden.Cases
		}
	}
	request, from, err := a.benchRequest(m.Signature(), cases, words)
	if err != nil {
		return err
	}
	began := time.Now()
	response, err := m.Predict(ctx, request)
	if err != nil {
		return a.refused(m, err)
	}
	ready := time.Since(began)
	a.compiling.hush()
	rows, err := a.benchLoads(ctx, m, request, o)
	if err != nil {
		return err
	}
	most := rate(0)
	for _, r := range rows {
		most = max(most, r.Rows)
	}
	for i := range rows {
		rows[i].Bar = bar(float64(rows[i].Rows / most))
	}
	if err := ux.List(a.Out, o.format, loadColumns, rows); err != nil || o.format != "" {
		return err
	}
	ux.Line(a.Out, "")
	for _, line := range histogram(rows[0].latencies) {
		ux.Line(a.Out, line)
	}
	ux.Line(a.Out, "")
	text := "inputs " + from + ", first answer after " + rounded(ready)
	if u := response.Usage; u.Memory > 0 {
		text += ", memory " + units.BytesSize(float64(u.Memory))
	}
	ux.Line(a.Out, text)
	return nil
}

// benchRequest is what is asked: what was typed, the first golden case, or what the
// signature makes up; and which of them it is.
func (a *app) benchRequest(s *model.Signature, cases []model.Case, words []string) (*model.Request, string, error) {
	if len(words) > 0 {
		in := inputReader{signature: s, stdin: a.In}
		list, err := in.requests(words, "")
		var wrong *model.InputError
		if errors.As(err, &wrong) {
			return nil, "", badInput(s, err, wrong.Tensor)
		}
		if err == nil && len(list) == 0 {
			err = &ux.UsageError{Text: "there are no rows to ask"}
		}
		if err != nil {
			return nil, "", err
		}
		return list[0], "as typed", nil
	}
	if golden := (model.Golden{Cases: cases}); len(cases) > 0 {
		r, err := cases[0].Request(s)
		if err != nil {
			return nil, "", fmt.Errorf("golden case %s: %w", golden.Name(0), err)
		}
		r.Outputs = nil
		return r, "of the golden case " + golden.Name(0), nil
	}
	r, err := s.Sample(rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		return nil, "", &hinted{err, "say what to ask: add NAME=VALUE for each input"}
	}
	return r, "made up from the signature", nil
}

// benchLoads measures batches on one instance, and single requests on all.
func (a *app) benchLoads(ctx context.Context, m *askable, r *model.Request, o benchOptions) ([]loadRow, error) {
	batches := []int64{0}
	if m.Signature().Batches() {
		batches = o.batches
	}
	task := a.talk().Start("measuring "+m.name, false)
	var rows []loadRow
	for i, n := range batches {
		task.Update(int64(i), int64(len(batches)+1))
		batch, err := r, error(nil)
		if n > 0 {
			batch, err = m.Signature().Batch(r, n)
		}
		var row loadRow
		if err == nil {
			row, err = benchLoad(ctx, m, batch, max(n, 1), 1, o.duration)
		}
		if err != nil && i > 0 && ctx.Err() == nil {
			a.talk().Line("note: no batches of %d and more: %v", n, err)
			break
		}
		if err != nil {
			return nil, a.refused(m, err)
		}
		rows = append(rows, row)
	}
	if o.instances > 1 {
		if err := m.Warm(ctx, o.instances); err != nil {
			return nil, err
		}
		row, err := benchLoad(ctx, m, r, 1, o.instances, o.duration)
		if err != nil {
			return nil, a.refused(m, err)
		}
		rows = append(rows, row)
	}
	task.End("done")
	a.talk().Clear()
	return rows, nil
}

// leastRequests is how many are measured in any case.
const leastRequests = 5

// benchLoad asks for some time, by as many as there are instances.
func benchLoad(ctx context.Context, m *askable, r *model.Request, batch int64, instances int, duration time.Duration) (loadRow, error) {
	row := loadRow{Batch: batch, Instances: instances}
	if _, err := m.Predict(ctx, r); err != nil { // the first of a size may have to load code
		return row, err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	began := time.Now()
	for range instances {
		wg.Go(func() {
			var own []time.Duration
			for len(own) < leastRequests || time.Since(began) < duration {
				start := time.Now()
				if _, err := m.Predict(ctx, r); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
					return
				}
				own = append(own, time.Since(start))
			}
			mu.Lock()
			row.latencies = append(row.latencies, own...)
			mu.Unlock()
		})
	}
	wg.Wait()
	took := time.Since(began).Seconds()
	if failed != nil {
		return row, failed
	}
	slices.Sort(row.latencies)
	row.Requests = len(row.latencies)
	row.P50, row.P90, row.P99 = percentile(row.latencies, 50), percentile(row.latencies, 90), percentile(row.latencies, 99)
	row.PerSecond = rate(float64(row.Requests) / took)
	row.Rows = row.PerSecond * rate(batch)
	return row, nil
}

// percentile is the time within which so many of a hundred were answered.
func percentile(sorted []time.Duration, p int) seconds {
	n := (len(sorted)*p + 99) / 100
	return seconds(sorted[max(n, 1)-1].Seconds())
}

// Sizes of plots.
const (
	barWidth     = 20
	plotWidth    = 40
	plotBins     = 10
	leastPlotted = 20
)

// bar is a share of one as a bar.
func bar(share float64) string {
	eighths := int(math.Round(share * barWidth * 8))
	text := strings.Repeat("█", eighths/8)
	if e := eighths % 8; e > 0 {
		text += string([]rune(" ▏▎▍▌▋▊▉")[e])
	}
	return text
}

// histogram shows how often which latency was, up to the 99th percentile. Each bin
// is as many times as long as the one before, for the slowest are far out.
func histogram(sorted []time.Duration) []string {
	if len(sorted) < leastPlotted {
		return nil
	}
	least := max(sorted[0].Seconds(), 1e-9)
	most := max(float64(percentile(sorted, 99)), least*1.1)
	step := math.Log(most/least) / plotBins
	counts := make([]int, plotBins)
	highest := 0
	for _, d := range sorted {
		if d.Seconds() > most {
			break
		}
		bin := min(max(int(math.Log(d.Seconds()/least)/step), 0), plotBins-1)
		counts[bin]++
		highest = max(highest, counts[bin])
	}
	lines := []string{"latency of one request, from"}
	for i, n := range counts {
		from := time.Duration(least * math.Exp(float64(i)*step) * float64(time.Second))
		lines = append(lines, fmt.Sprintf("%9s  %-*s %d", from.Round(time.Microsecond), plotWidth,
			strings.Repeat("▇", (n*plotWidth+highest-1)/highest), n))
	}
	return lines
}

// defaultInstances is how many answer at once.
func defaultInstances() int { return goruntime.GOMAXPROCS(0) }
