package metrics

import (
	"math"
	"strconv"
	"strings"
)

// contentType is that of the text format.
const contentType = "text/plain; version=0.0.4; charset=utf-8"

// page is what Prometheus reads, as it is written.
type page struct{ b []byte }

// shown is what can be put on a page.
type shown interface{ show(p *page) }

// head begins the samples of a name.
func (p *page) head(a about) {
	p.b = append(p.b, "# HELP "+a.name+" "+helpText.Replace(a.help)+"\n# TYPE "+a.name+" "+a.kind+"\n"...)
}

var (
	helpText  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelText = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// sample writes one number. There may be one more label than values are given for.
func (p *page) sample(name string, labels, values []string, v float64, more ...string) {
	p.b = append(p.b, name...)
	sep := byte('{')
	label := func(name, value string) {
		p.b = append(p.b, sep)
		p.b = append(p.b, name...)
		p.b = append(p.b, `="`...)
		p.b = append(p.b, labelText.Replace(strings.ToValidUTF8(value, "?"))...)
		p.b = append(p.b, '"')
		sep = ','
	}
	for i, l := range labels {
		label(l, values[i])
	}
	if len(more) == 2 {
		label(more[0], more[1])
	}
	if sep == ',' {
		p.b = append(p.b, '}')
	}
	p.b = append(p.b, ' ')
	p.b = append(appendNumber(p.b, v), '\n')
}

func appendNumber(b []byte, v float64) []byte {
	switch {
	case math.IsInf(v, 1):
		return append(b, "+Inf"...)
	case math.IsInf(v, -1):
		return append(b, "-Inf"...)
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}

// gauge writes a number that has no labels.
func (p *page) gauge(name, help string, v float64) {
	p.head(about{name: name, help: help, kind: kindGauge})
	p.sample(name, nil, nil, v)
}

// count writes a number that has no labels and only grows.
func (p *page) count(name, help string, v float64) {
	p.head(about{name: name, help: help, kind: kindCounter})
	p.sample(name, nil, nil, v)
}

// histogram writes the samples of one series.
func (p *page) histogram(a about, values []string, h *histogram) {
	n := uint64(0)
	for i := range h.counts {
		bound := math.Inf(1)
		if i < len(h.bounds) {
			bound = h.bounds[i]
		}
		n += h.counts[i].Load()
		p.sample(a.name+"_bucket", a.labels, values, float64(n), "le", string(appendNumber(nil, bound)))
	}
	p.sample(a.name+"_sum", a.labels, values, h.total.value())
	p.sample(a.name+"_count", a.labels, values, float64(n))
}

// show writes all series.
func (v *vec[T]) show(p *page) {
	list := v.all()
	if len(list) == 0 {
		return
	}
	p.head(v.about)
	for _, one := range list {
		switch s := any(one.series).(type) {
		case *counter:
			p.sample(v.name, v.labels, one.values, s.value())
		case *histogram:
			p.histogram(v.about, one.values, s)
		}
	}
}

// shows is a function that writes.
type shows func(p *page)

func (f shows) show(p *page) { f(p) }
