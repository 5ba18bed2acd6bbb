package metrics

import (
	goruntime "runtime"
	"runtime/metrics"

	"github.com/wherry-run/wherry/internal/process"
)

// showProcess shows the program, its process, and Go's runtime.
func (m *Metrics) showProcess(p *page) {
	info := about{"wherry_build_info", "1; the version is a label.", kindGauge, []string{"version"}}
	p.head(info)
	p.sample(info.name, info.labels, []string{m.version}, 1)
	s := process.Now()
	p.gauge("process_start_time_seconds", "When the server began, seconds since 1970.", float64(m.began.UnixMilli())/1000)
	if s.CPU >= 0 {
		p.count("process_cpu_seconds_total", "Time of processors that the process has used.", s.CPU)
	}
	for _, one := range []struct {
		name, help string
		v          float64
	}{
		{"process_resident_memory_bytes", "Memory of the machine that the process holds.", s.Resident},
		{"process_virtual_memory_bytes", "Addresses that the process has taken.", s.Virtual},
		{"process_open_fds", "Files and connections that are open.", s.Open},
		{"process_max_fds", "Files and connections that may be open.", s.MostOpen},
	} {
		if one.v >= 0 {
			p.gauge(one.name, one.help, one.v)
		}
	}
	showGo(p)
}

// showGo shows Go's runtime, under the names that it usually has.
func showGo(p *page) {
	info := about{"go_info", "1; the version of Go is a label.", kindGauge, []string{"version"}}
	p.head(info)
	p.sample(info.name, info.labels, []string{goruntime.Version()}, 1)
	rows := []struct{ of, name, kind, help string }{
		{"/sched/goroutines:goroutines", "go_goroutines", kindGauge, "Goroutines there are."},
		{"/sched/gomaxprocs:threads", "go_sched_gomaxprocs_threads", kindGauge, "Goroutines that run at once."},
		{"/memory/classes/heap/objects:bytes", "go_memstats_heap_alloc_bytes", kindGauge, "Memory of objects of Go."},
		{"/memory/classes/total:bytes", "go_memstats_sys_bytes", kindGauge, "Memory that Go's runtime has mapped; that of guests is not in it."},
		{"/gc/cycles/total:gc-cycles", "go_gc_cycles_total_gc_cycles_total", kindCounter, "Garbage collections."},
		{"/cpu/classes/gc/total:cpu-seconds", "go_cpu_classes_gc_total_cpu_seconds_total", kindCounter, "Time of processors for garbage collection."},
	}
	samples := make([]metrics.Sample, len(rows))
	for i := range rows {
		samples[i].Name = rows[i].of
	}
	metrics.Read(samples)
	for i, s := range samples {
		var v float64
		switch s.Value.Kind() {
		case metrics.KindUint64:
			v = float64(s.Value.Uint64())
		case metrics.KindFloat64:
			v = s.Value.Float64()
		default:
			continue // a Go that does not know it
		}
		p.head(about{name: rows[i].name, help: rows[i].help, kind: rows[i].kind})
		p.sample(rows[i].name, nil, nil, v)
	}
}
