package metrics

import (
	"os"
	goruntime "runtime"
	"runtime/metrics"
)

// process is what the system says of this process. What it does not say is negative.
type process struct {
	cpu               float64 // seconds
	resident, virtual float64 // bytes
	open, most        float64 // file descriptors, or handles
}

// showProcess shows the program, its process, and Go's runtime.
func (m *Metrics) showProcess(p *page) {
	info := about{"wherry_build_info", "1; the version is a label.", kindGauge, []string{"version"}}
	p.head(info)
	p.sample(info.name, info.labels, []string{m.version}, 1)
	s := thisProcess()
	p.gauge("process_start_time_seconds", "When the server began, seconds since 1970.", float64(m.began.UnixMilli())/1000)
	if s.cpu >= 0 {
		p.count("process_cpu_seconds_total", "Time of processors that the process has used.", s.cpu)
	}
	for _, one := range []struct {
		name, help string
		v          float64
	}{
		{"process_resident_memory_bytes", "Memory of the machine that the process holds.", s.resident},
		{"process_virtual_memory_bytes", "Addresses that the process has taken.", s.virtual},
		{"process_open_fds", "Files and connections that are open.", s.open},
		{"process_max_fds", "Files and connections that may be open.", s.most},
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

// entries counts a folder that has one entry for each open file; -1: it is not there.
func entries(folder string) float64 {
	f, err := os.Open(folder)
	if err != nil {
		return -1
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return -1
	}
	return float64(len(names) - 1) // without this one
}
