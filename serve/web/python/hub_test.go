package python

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wherry-run/wherry/internal/servercmd"
)

// fake is an application in Go: it does what the path of a connection says.
type fake struct {
	said  func(letter byte, rest []byte) []byte
	paths map[uint32]string
	gone  chan string // how connections ended, by path
	ended atomic.Bool
}

func (f *fake) say(letter byte, id uint32, data ...[]byte) []byte {
	return f.said(letter, append(binary.LittleEndian.AppendUint32(nil, id), bytes.Join(data, nil)...))
}

func (f *fake) head(letter byte, id uint32, text string, body ...byte) {
	f.say(letter, id, binary.LittleEndian.AppendUint32(nil, uint32(len(text))), []byte(text), body)
}

const filled = 300 << 10 // bytes of a message of /full

// Exchange is a turn.
func (f *fake) Exchange(ctx context.Context, head []byte, pieces ...[]byte) (answer, data []byte, err error) {
	var said struct{ Turn []event }
	if err := json.Unmarshal(head, &said); err != nil {
		return nil, nil, err
	}
	told := turned{Took: [][2]uint32{}, Over: []uint32{}}
	for _, e := range said.Turn {
		if e.Open != nil {
			f.paths[e.ID] = e.Open["path"].(string)
			f.open(ctx, e.ID)
		}
		if f.paths[e.ID] == "/stuck" {
			<-ctx.Done()
			return nil, nil, context.Cause(ctx)
		}
		if e.Text != nil || e.Bytes != nil {
			letter, size := byte(letterText), e.Text
			if e.Bytes != nil {
				letter, size = letterBytes, e.Bytes
			}
			data := pieces[0][:*size]
			pieces[0] = pieces[0][*size:]
			if string(data) == "break" {
				return nil, nil, errors.New("it trapped")
			}
			f.say(letter, e.ID, data)
			told.Took = append(told.Took, [2]uint32{e.ID, 1})
			if string(data) == "leave" {
				told.Over = append(told.Over, e.ID)
			}
		}
		if e.Drained && e.Gone == 0 {
			f.say(letterText, e.ID, []byte("drained"))
		}
		if e.Gone != 0 {
			told.Over = append(told.Over, e.ID)
			select {
			case f.gone <- fmt.Sprint(f.paths[e.ID], " ", e.Gone):
			default:
			}
		}
	}
	answer, err = json.Marshal(told)
	return answer, nil, err
}

func (f *fake) open(ctx context.Context, id uint32) {
	switch path := f.paths[id]; path {
	case "/deny":
		f.head(letterDeny, id, `{"status":418,"headers":[["X-Why","tea"]]}`, []byte("no")...)
	case "/refuse":
		f.say(letterClose, id, []byte{0xe8, 3})
	case "/fail":
		f.say(letterFail, id)
	case "/late", "/stuck":
	case "/wrong":
		f.head(letterAccept, id, `{"status":200,"headers":[["bad name",""]]}`)
	case "/full":
		f.head(letterAccept, id, `{"status":200,"headers":[],"subprotocol":""}`)
		for !slices.Equal(f.say(letterBytes, id, make([]byte, filled)), full) {
		}
		if !slices.Equal(f.say(letterText, id, []byte("one too many")), gone) {
			panic("a message was taken of an application that was told to wait")
		}
	default:
		f.head(letterAccept, id, `{"status":200,"headers":[["X-Made-By","me"]],"subprotocol":"two"}`)
	}
}

// End implements guest.
func (f *fake) End(context.Context) { f.ended.Store(true) }

// open starts a server of a hub with a fake application.
func open(t *testing.T, timeout time.Duration) (*httptest.Server, *hub, *fake) {
	t.Helper()
	f := &fake{paths: map[uint32]string{}, gone: make(chan string, 64)}
	b := &hub{Config: Config{Application: &servercmd.Application{Message: 1 << 20}, Timeout: timeout, Log: slog.New(slog.DiscardHandler)}}
	b.begin = func(_ context.Context, said func(byte, []byte) []byte) (guest, error) {
		f.said = said
		return f, nil
	}
	s := httptest.NewServer(http.HandlerFunc(b.serve))
	t.Cleanup(func() {
		s.Close()
		_ = b.close()
	})
	return s, b, f
}

func dial(t *testing.T, s *httptest.Server, path string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	c, r, err := websocket.Dial(t.Context(), s.URL+path, &websocket.DialOptions{Subprotocols: []string{"one", "two"}})
	if err == nil {
		c.SetReadLimit(1 << 22)
	}
	return c, r, err
}

func TestEcho(t *testing.T) {
	s, b, f := open(t, time.Minute)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			c, r, err := dial(t, s, "/echo")
			if err != nil {
				t.Error(err)
				return
			}
			if c.Subprotocol() != "two" || r.Header.Get("X-Made-By") != "me" {
				t.Errorf("%q, %v", c.Subprotocol(), r.Header)
			}
			for i := range 50 { // more than the window at once
				if err := c.Write(t.Context(), websocket.MessageBinary, bytes.Repeat([]byte{byte(i)}, i*100)); err != nil {
					t.Error(err)
				}
			}
			for i := range 50 {
				kind, data, err := c.Read(t.Context())
				if err != nil || kind != websocket.MessageBinary || len(data) != i*100 || i > 0 && data[0] != byte(i) {
					t.Errorf("%d: %v, %d bytes, %v", i, kind, len(data), err)
					return
				}
			}
			_ = c.Close(websocket.StatusNormalClosure, "")
		})
	}
	all.Wait()
	for range 20 {
		if how := <-f.gone; how != "/echo 1000" {
			t.Error(how)
		}
	}
	b.open.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.events) != 0 || b.held != 0 {
		t.Errorf("%d events and %d bytes are left", len(b.events), b.held)
	}
}

func TestHandshake(t *testing.T) {
	s, _, _ := open(t, 300*time.Millisecond)
	for path, status := range map[string]int{"/deny": 418, "/refuse": 403, "/fail": 500, "/late": 504, "/wrong": 500} {
		_, r, err := dial(t, s, path)
		if err == nil || r == nil || r.StatusCode != status {
			t.Errorf("%s: %v, %v", path, r, err)
		}
	}
}

func TestEnds(t *testing.T) {
	s, b, f := open(t, time.Minute)
	read := func(c *websocket.Conn, want websocket.StatusCode) {
		t.Helper()
		for {
			if _, _, err := c.Read(t.Context()); err != nil {
				if websocket.CloseStatus(err) != want {
					t.Errorf("%v, want %d", err, want)
				}
				return
			}
		}
	}
	left, _, err := dial(t, s, "/a")
	if err != nil {
		t.Fatal(err)
	}
	_ = left.Write(t.Context(), websocket.MessageText, []byte("leave")) // the application returns
	read(left, 1000)
	large, _, _ := dial(t, s, "/b")
	_ = large.Write(t.Context(), websocket.MessageText, make([]byte, 2<<20))
	read(large, 1009)
	odd, _, _ := dial(t, s, "/c")
	_ = odd.Write(t.Context(), websocket.MessageText, []byte("\xff"))
	read(odd, 1007)
	one, _, _ := dial(t, s, "/d")
	two, _, _ := dial(t, s, "/e")
	_ = one.Write(t.Context(), websocket.MessageText, []byte("break")) // ends all of the instance
	read(one, 1011)
	read(two, 1011)
	if !f.ended.Load() {
		t.Error("an instance that trapped goes on")
	}
	again, _, err := dial(t, s, "/f") // there is another instance
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- b.close() }()
	read(again, 1001)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, r, err := dial(t, s, "/g"); err == nil || r.StatusCode != 502 {
		t.Errorf("%v, %v", r, err)
	}
}

// TestFull has an application wait for a client that takes nothing.
func TestFull(t *testing.T) {
	s, _, _ := open(t, time.Minute)
	c, _, err := dial(t, s, "/full")
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	time.Sleep(50 * time.Millisecond)
	for n := 0; ; n++ {
		kind, data, err := c.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if kind == websocket.MessageText {
			if string(data) != "drained" || n < queue/filled {
				t.Errorf("%q after %d messages", data, n)
			}
			return
		}
	}
}

// TestStuck ends an application that does not come back.
func TestStuck(t *testing.T) {
	s, _, _ := open(t, 300*time.Millisecond)
	_, r, err := dial(t, s, "/stuck")
	if err == nil || r == nil || r.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("%v, %v", r, err)
	}
}
