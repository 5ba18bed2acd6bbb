package wasi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

// prompt is how soon a wait that would be endless must end once it may. The goal is 0.1 s; a loaded machine is late.
const prompt = 10 * time.Second

// pipes are the sources that a standard input can be.
func pipes(t *testing.T) map[string]func() (io.Reader, io.WriteCloser) {
	return map[string]func() (io.Reader, io.WriteCloser){
		"pipe in memory": func() (io.Reader, io.WriteCloser) { return io.Pipe() },
		"pipe of the system": func() (io.Reader, io.WriteCloser) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close(); w.Close() })
			return r, w
		},
	}
}

func TestInputIsGivenUpWithoutLosingBytes(t *testing.T) {
	for name, open := range pipes(t) {
		t.Run(name, func(t *testing.T) {
			r, w := open()
			defer w.Close()
			in := NewInput(r)
			buf := make([]byte, 16)
			for range 3 {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(5*time.Millisecond, cancel)
				start := time.Now()
				n, err := in.Read(ctx, buf)
				if n != 0 || !errors.Is(err, context.Canceled) || time.Since(start) > prompt {
					t.Fatalf("Read = %d, %v after %v", n, err, time.Since(start))
				}
			}
			select {
			case <-in.Ready():
				t.Fatal("ready without a byte")
			default:
			}
			if _, err := io.WriteString(w, "kept"); err != nil {
				t.Fatal(err)
			}
			<-in.Ready()
			if n, ended := in.Buffered(); n != 4 || ended {
				t.Errorf("Buffered = %d, %v", n, ended)
			}
			for _, want := range []string{"ke", "pt"} {
				if n, err := in.Read(t.Context(), buf[:2]); string(buf[:n]) != want || err != nil {
					t.Errorf("Read = %q, %v, want %q", buf[:n], err, want)
				}
			}
			w.Close()
			if n, err := in.Read(t.Context(), buf); n != 0 || err != io.EOF {
				t.Errorf("Read = %d, %v at the end", n, err)
			}
		})
	}
}

func TestInputEnds(t *testing.T) {
	failure := errors.New("broken")
	for name, tc := range map[string]struct {
		src  io.Reader
		want string
		err  error
	}{
		"nothing":        {nil, "", io.EOF},
		"bytes":          {strings.NewReader("abc"), "abc", io.EOF},
		"end with bytes": {iotest.DataErrReader(strings.NewReader("abc")), "abc", io.EOF},
		"one at a time":  {iotest.OneByteReader(strings.NewReader("abc")), "abc", io.EOF},
		"failure":        {io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(failure)), "abc", failure},
		"never anything": {silent{}, "", io.ErrNoProgress},
		"lies":           {liar{}, "", errors.New("read input: source returned an impossible count")},
	} {
		in, got := NewInput(tc.src), []byte(nil)
		var err error
		for err == nil {
			var n int
			buf := make([]byte, 8)
			n, err = in.Read(t.Context(), buf)
			got = append(got, buf[:n]...)
		}
		if string(got) != tc.want || err.Error() != tc.err.Error() {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

type liar struct{}

func (liar) Read(p []byte) (int, error) { return len(p) + 1, nil }

func TestInputsOverOneReaderShareIt(t *testing.T) {
	first := NewTerminalInput(strings.NewReader("one two"))
	second := NewInput(first.Reader(t.Context()))
	buf := make([]byte, 4)
	for i, in := range []*Input{first, second} {
		want := []string{"one ", "two"}[i]
		if n, err := in.Read(t.Context(), buf); string(buf[:n]) != want || err != nil {
			t.Errorf("Read = %q, %v, want %q", buf[:n], err, want)
		}
	}
	if !first.Terminal() || second.Terminal() {
		t.Error("being a terminal is not the source's")
	}
}

// TestInputHammer reads from many goroutines, half of which give up all the
// time: every byte arrives once.
func TestInputHammer(t *testing.T) {
	r, w := io.Pipe()
	in := NewInput(r)
	var mu sync.Mutex
	counts := map[byte]int{}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			buf := make([]byte, 3)
			for {
				ctx, cancel := context.WithCancel(t.Context())
				if i%2 == 0 {
					time.AfterFunc(50*time.Microsecond, cancel)
				}
				n, err := in.Read(ctx, buf)
				cancel()
				mu.Lock()
				for _, b := range buf[:n] {
					counts[b]++
				}
				mu.Unlock()
				if err == io.EOF {
					return
				}
			}
		})
	}
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for range 20 {
		if _, err := w.Write(all); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	wg.Wait()
	for b := range 256 {
		if counts[byte(b)] != 20 {
			t.Fatalf("byte %d came %d times", b, counts[byte(b)])
		}
	}
}

func TestOutput(t *testing.T) {
	var dst bytes.Buffer
	out := NewOutput(&dst)
	big := bytes.Repeat([]byte("0123456789"), 20_000)
	if n, err := out.Write(t.Context(), big); n != len(big) || err != nil || !bytes.Equal(dst.Bytes(), big) {
		t.Errorf("Write = %d, %v", n, err)
	}
	out.Limit(3)
	if n, err := out.Write(t.Context(), big); n != 3 || !errors.Is(err, ErrOutputLimit) {
		t.Errorf("Write = %d, %v over the limit", n, err)
	}
}

func TestBlockedOutputIsGivenUp(t *testing.T) {
	r, w := io.Pipe()
	defer r.Close()
	out := NewOutput(w)
	for i := range 2 { // the second waits for its turn
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for begun := false; !begun; { // the first one is on its way
				time.Sleep(5 * time.Millisecond)
				select {
				case <-out.Ready():
				default:
					begun = true
				}
			}
			cancel()
		}()
		start := time.Now()
		n, err := out.Write(ctx, []byte("hello"))
		if n != 0 || !errors.Is(err, context.Canceled) || time.Since(start) > prompt {
			t.Errorf("Write %d = %d, %v after %v", i, n, err, time.Since(start))
		}
		select {
		case <-out.Ready():
			t.Error("ready while it blocks")
		default:
		}
	}
	buf := make([]byte, 8)
	if n, err := r.Read(buf); string(buf[:n]) != "hello" || err != nil {
		t.Errorf("the destination got %q, %v", buf[:n], err)
	}
}

func TestOutputWritesNothingForADeadContext(t *testing.T) {
	var dst bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := NewOutput(&dst).Write(ctx, []byte("x")); n != 0 || err == nil || dst.Len() != 0 {
		t.Errorf("Write = %d, %v", n, err)
	}
}

func TestOutputWithoutWaiting(t *testing.T) {
	r, w := io.Pipe()
	out := NewOutput(w)
	if n, err, ok := out.TryWrite([]byte("first")); n != 5 || err != nil || !ok {
		t.Errorf("TryWrite = %d, %v, %v", n, err, ok)
	}
	if n, err, ok := out.TryWrite([]byte("second")); n != 0 || err != nil || ok {
		t.Errorf("TryWrite = %d, %v, %v while the first is on its way", n, err, ok)
	}
	buf := make([]byte, 8)
	if n, _ := r.Read(buf); string(buf[:n]) != "first" {
		t.Errorf("the destination got %q", buf[:n])
	}
	if err := out.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	if n, err, ok := out.TryWrite([]byte("third")); n != 5 || err != nil || !ok {
		t.Errorf("TryWrite = %d, %v, %v", n, err, ok)
	}
	gone := errors.New("gone")
	r.CloseWithError(gone)
	<-out.Ready()
	if n, err, ok := out.TryWrite([]byte("x")); n != 0 || err != gone || !ok {
		t.Errorf("TryWrite = %d, %v, %v, want the error of the third", n, err, ok)
	}
}

func TestOutputHammer(t *testing.T) {
	var dst bytes.Buffer
	out := NewOutput(&dst)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if n, err := out.Write(t.Context(), []byte("line\n")); n != 5 || err != nil {
					t.Errorf("Write = %d, %v", n, err)
				}
			}
		})
	}
	wg.Wait()
	if got := dst.String(); got != strings.Repeat("line\n", 1600) {
		t.Errorf("%d bytes, or mixed ones", len(got))
	}
}

func TestWholeInput(t *testing.T) {
	for _, size := range []int{0, 1, inputChunk - 1, inputChunk, inputChunk + 1, 3*inputChunk + 7} {
		in := NewInput(iotest.HalfReader(iotest.DataErrReader(bytes.NewReader(make([]byte, size))))).Whole()
		buf := make([]byte, 2*inputChunk)
		for left := size; ; {
			n, err := in.Read(t.Context(), buf)
			if n != min(left, inputChunk) {
				t.Fatalf("of %d, %d left: read %d", size, left, n)
			}
			if left -= n; n == 0 {
				if !errors.Is(err, io.EOF) {
					t.Errorf("of %d: ends with %v", size, err)
				}
				break
			}
		}
	}
	in := NewInput(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("abc")))).Whole()
	buf := make([]byte, 8)
	if n, err := in.Read(t.Context(), buf); n != 1 || err != nil {
		t.Errorf("before an error: %d, %v", n, err)
	}
	if _, err := in.Read(t.Context(), buf); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("got %v, want the error of the source", err)
	}
}
