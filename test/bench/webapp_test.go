package bench

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

// gunicorn is what serves a Flask application natively.
const gunicorn = "gunicorn==27.0.1 flask==3.1.3 werkzeug==3.1.9 click==8.5.1 blinker==1.9.0 itsdangerous==2.2.0 jinja2==3.1.6 markupsafe==3.0.4 packaging==26.3"

// flask is an application of a few routes; firstPage is what the first page says.
const (
	flask     = "test/web/testdata/flask"
	firstPage = "hello from flask"
)

// BenchmarkWebStart is a Flask application from the start of its server to the first answer:
// `wherry run` of an image, beside gunicorn with as many workers.
func BenchmarkWebStart(b *testing.B) {
	heavy(b)
	builder, _ := programs(b)
	python, _ := dock.Packages(b, gunicorn)
	const image = "localhost/test-bench:flask"
	builder.Must(b, "", "build", "-q", "-t", image, filepath.Join(dock.Root(b), flask))
	for name, path := range map[string]string{"first page": "/", "JSON": "/hello/joe"} {
		b.Run(name, func(b *testing.B) {
			compareStarts(b, 11,
				func() cost {
					address, _ := freeAddress(b)
					return answered(b, builder, address, path, "run", "-p", address+":8080", image)
				},
				func() cost {
					address, _ := freeAddress(b)
					native := python
					native.Dir = filepath.Join(dock.Root(b), flask)
					return answered(b, native, address, path, "-m", "gunicorn", "-w", strconv.Itoa(runtime.NumCPU()), "-b", address, "app:app")
				})
		})
	}
}

// answered starts a server and takes the time to its first answer, and its processor's with its end.
func answered(b *testing.B, p dock.Program, address, path string, args ...string) cost {
	b.Helper()
	s := background(b, p, args...)
	wait(b, s, "http://"+address+path, "")
	wall := time.Since(s.began)
	s.end()
	used := s.cmd.ProcessState
	return cost{wall: wall, cpu: used.UserTime() + used.SystemTime(), peak: peakOf(used)}
}

// server is a program that goes on until it is told to end.
type server struct {
	cmd   *exec.Cmd
	began time.Time
	talk  bytes.Buffer
	ended chan struct{}
}

// background starts a program.
func background(b *testing.B, p dock.Program, args ...string) *server {
	b.Helper()
	s := &server{cmd: exec.Command(p.Command[0], append(p.Command[1:len(p.Command):len(p.Command)], args...)...), ended: make(chan struct{})}
	s.cmd.Env, s.cmd.Dir = append(os.Environ(), p.Env...), p.Dir
	s.cmd.Stdout, s.cmd.Stderr = &s.talk, &s.talk
	separateGroup(s.cmd)
	s.began = time.Now()
	if err := s.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.ended)
	}()
	b.Cleanup(s.end)
	return s
}

// end has it end.
func (s *server) end() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(15 * time.Second):
		endGroup(s.cmd)
		<-s.ended
	}
}

// wait asks until an answer says something.
func wait(b *testing.B, s *server, url, want string) {
	b.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	for end := time.Now().Add(5 * time.Minute); ; time.Sleep(time.Millisecond) {
		text := ""
		answer, err := client.Get(url)
		if err == nil {
			var body []byte
			body, err = io.ReadAll(answer.Body)
			answer.Body.Close()
			if text = string(body); err == nil && answer.StatusCode == http.StatusOK && strings.Contains(text, want) {
				return
			}
		}
		select {
		case <-s.ended:
			b.Fatalf("the server ended:\n%s", s.talk.String())
		default:
		}
		if time.Now().After(end) {
			b.Fatalf("%q is not served, but %.300q, %v\n%s", want, text, err, s.talk.String())
		}
	}
}

// BenchmarkSaved is a change of one line of a Flask application, from where it is saved to where it
// is served: by `run --watch` and by `compose watch`.
func BenchmarkSaved(b *testing.B) {
	heavy(b)
	builder, _ := programs(b)
	b.Run("run", func(b *testing.B) {
		app := copied(b)
		address, _ := freeAddress(b)
		s := background(b, builder, "run", "--watch", "-p", address+":8080", app)
		savings(b, s, app, "http://"+address+"/")
	})
	b.Run("compose", func(b *testing.B) {
		app := copied(b)
		address, _ := freeAddress(b)
		file := filepath.Join(filepath.Dir(app), "compose.yaml")
		write(b, file, fmt.Appendf(nil, stackOfOne, address))
		on := []string{"compose", "-p", "test-bench-saved", "--project-directory", filepath.Dir(app), "-f", file}
		b.Cleanup(func() {
			down := exec.Command(builder.Command[0], append(on, "down", "-v")...)
			down.Env = append(os.Environ(), builder.Env...)
			if out, err := down.CombinedOutput(); err != nil {
				b.Errorf("%v\n%s", err, out)
			}
		})
		s := background(b, builder, append(on, "watch")...)
		savings(b, s, app, "http://"+address+"/")
	})
}

const stackOfOne = `services:
  web:
    build: ./app
    ports: ["%s:8080"]
    develop: {watch: [{path: ./app, action: sync, target: /app}]}
`

// copied is the application in a folder of its own, which is called app.
func copied(b *testing.B) string {
	b.Helper()
	app := filepath.Join(b.TempDir(), "app")
	if err := os.CopyFS(app, os.DirFS(filepath.Join(dock.Root(b), flask))); err != nil {
		b.Fatal(err)
	}
	return app
}

// change writes the application anew, with another greeting, and gives that.
func change(b *testing.B, app string, text []byte) string {
	b.Helper()
	now := fmt.Sprintf("saved at %d", time.Now().UnixNano())
	write(b, filepath.Join(app, "app.py"), bytes.ReplaceAll(text, []byte(firstPage), []byte(now)))
	return now
}

// savings reports what a number of savings took.
func savings(b *testing.B, s *server, app, url string) {
	text, err := os.ReadFile(filepath.Join(app, "app.py"))
	if err != nil {
		b.Fatal(err)
	}
	wait(b, s, url, firstPage)
	save := func() cost {
		began := time.Now()
		wait(b, s, url, change(b, app, text))
		return cost{wall: time.Since(began)}
	}
	for range 3 { // the first ones may find that packages are imported by themselves beside them
		save()
		time.Sleep(3 * time.Second)
	}
	for b.Loop() {
		var all series
		for range 15 {
			all = append(all, save())
			time.Sleep(200 * time.Millisecond)
		}
		report(b, "least-ms", least(all.wall()), time.Millisecond)
		report(b, "median-ms", median(all.wall()), time.Millisecond)
		report(b, "most-ms", all.wall()[len(all)-1], time.Millisecond)
	}
	quiet(b)
}

// BenchmarkRebuild is `wherry build` after a change of one line of a Flask application, beside one
// after no change.
func BenchmarkRebuild(b *testing.B) {
	heavy(b)
	builder, _ := programs(b)
	app := copied(b)
	text, err := os.ReadFile(filepath.Join(app, "app.py"))
	if err != nil {
		b.Fatal(err)
	}
	build := func() cost { return command(b, builder, "", "build", "-q", "-t", "localhost/test-bench:rebuilt", app) }
	for b.Loop() {
		all := inTurns(7, func() cost { change(b, app, text); return build() }, build)
		report(b, "changed-min-ms", least(all[0].wall()), time.Millisecond)
		report(b, "changed-median-ms", median(all[0].wall()), time.Millisecond)
		report(b, "changed-cpu-ms", median(all[0].cpu()), time.Millisecond)
		report(b, "same-median-ms", median(all[1].wall()), time.Millisecond)
		b.ReportMetric(megabytes(peak(all[0])), "changed-peak-MB")
	}
	quiet(b)
}
