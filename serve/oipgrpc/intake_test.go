package oipgrpc

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/wherry-run/wherry/serve/inference/testmodels"
	"github.com/wherry-run/wherry/serve/oipgrpc/pb"
)

// written is what a client sends: frames of all kinds, padded or not.
func written(t testing.TB) []byte {
	var b bytes.Buffer
	b.WriteString(http2.ClientPreface)
	f := http2.NewFramer(&b, nil)
	do := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	do(f.WriteSettings())
	do(f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte("head"), EndHeaders: true}))
	do(f.WriteData(1, false, []byte("one")))
	do(f.WriteDataPadded(1, false, []byte("two"), make([]byte, 7)))
	do(f.WriteDataPadded(1, false, nil, make([]byte, 3)))
	do(f.WritePing(false, [8]byte{}))
	do(f.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: []byte("head"), EndHeaders: true, EndStream: true}))
	do(f.WriteData(1, true, nil))
	do(f.WriteHeaders(http2.HeadersFrameParam{StreamID: 5, BlockFragment: []byte("head"), EndHeaders: true}))
	do(f.WriteWindowUpdate(5, 9))
	do(f.WriteRSTStream(5, http2.ErrCodeCancel))
	return b.Bytes()
}

// passed is what frames make of bytes that come in parts of up to so many.
func passed(p []byte, most int) string {
	var events []string
	texts := map[uint32]string{}
	f := frames{preface: lengthOfPreface,
		opened: func(s uint32) { events = append(events, fmt.Sprint("open ", s)) },
		ended:  func(s uint32) { events = append(events, fmt.Sprintf("end %d %q", s, texts[s])) },
		data:   func(s uint32, p []byte) { texts[s] += string(p) },
	}
	for len(p) > 0 {
		n := min(1+rand.IntN(most), len(p))
		f.pass(p[:n])
		p = p[n:]
	}
	return strings.Join(events, ", ")
}

func TestFrames(t *testing.T) {
	const want = `open 1, open 3, end 3 "", end 1 "onetwo", open 5, end 5 ""`
	p := written(t)
	for _, most := range []int{1, 2, 3, 10, len(p)} {
		if got := passed(p, most); got != want {
			t.Errorf("in parts of %d: %s", most, got)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(written(f), uint8(3))
	f.Fuzz(func(t *testing.T, p []byte, most uint8) {
		passed(p, int(most)+1)
		k := &intake{most: 1 << 20, first: time.Minute, rate: 1}
		client, server := net.Pipe()
		defer client.Close()
		c := k.count(server).(*counted)
		c.in.pass(p)
		if c.held.Load() > int64(len(p)) || c.held.Load() < 0 || c.held.Load() != k.held.Load() {
			t.Errorf("%d bytes of %d", c.held.Load(), len(p))
		}
		if c.Close(); c.held.Load() != 0 || k.held.Load() != 0 || len(k.conns) != 0 {
			t.Errorf("%d bytes are left", k.held.Load())
		}
	})
}

// rude is a client that speaks HTTP/2 and sends what it likes.
type rude struct {
	conn   net.Conn
	frames *http2.Framer
	next   uint32
	gone   chan error
	bye    chan struct{}
}

func newRude(t *testing.T, address string) *rude {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	r := &rude{conn, http2.NewFramer(conn, conn), 1, make(chan error, 1), make(chan struct{}, 9)}
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := r.frames.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			f, err := r.frames.ReadFrame()
			if err != nil {
				r.gone <- err
				return
			}
			if _, ok := f.(*http2.GoAwayFrame); ok {
				r.bye <- struct{}{}
			}
		}
	}()
	return r
}

// call begins one, of a message that is said to have so many bytes.
func (r *rude) call(method string, says int, sent []byte) error {
	var head bytes.Buffer
	h := hpack.NewEncoder(&head)
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", method}, {":authority", "x"}, {"content-type", "application/grpc"}, {"te", "trailers"}} {
		if err := h.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			return err
		}
	}
	id := r.next
	r.next += 2
	if err := r.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: head.Bytes(), EndHeaders: true}); err != nil || says == 0 {
		return err
	}
	body := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(says)), sent...)
	for len(body) > 0 {
		n := min(len(body), 16<<10)
		if err := r.frames.WriteData(id, false, body[:n]); err != nil {
			return err
		}
		body = body[n:]
	}
	return nil
}

// lost waits until the server has closed the connection.
func (r *rude) lost(within time.Duration) bool {
	select {
	case <-r.gone:
		return true
	case <-time.After(within):
		return false
	}
}

func listen(t *testing.T, o Options) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(testmodels.Repository(t), o)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return l.Addr().String()
}

func metadataOf(t *testing.T, address string) error {
	c, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = pb.NewGRPCInferenceServiceClient(c).ModelMetadata(t.Context(), &pb.ModelMetadataRequest{Name: "simple"})
	return err
}

const (
	infer  = pb.GRPCInferenceService_ModelInfer_FullMethodName
	stream = pb.GRPCInferenceService_ModelStreamInfer_FullMethodName
)

// TestIntakeBound: what all clients have sent of messages that are not complete has a
// bound. Who has sent the most loses the connection, and nobody else.
func TestIntakeBound(t *testing.T) {
	address := listen(t, Options{MaxMessage: 300 << 10, MaxRequests: 1 << 20})
	modest, greedy := newRude(t, address), newRude(t, address)
	part := make([]byte, 100<<10)
	if err := modest.call(infer, 200<<10, part); err != nil {
		t.Fatal(err)
	}
	for range 12 {
		if greedy.call(infer, 200<<10, part) != nil {
			break // it is closed already
		}
	}
	if !greedy.lost(time.Minute) {
		t.Error("who sent 1.2 MB of messages that are not complete is still there")
	}
	if modest.lost(100 * time.Millisecond) {
		t.Error("who sent 100 KB lost the connection, too")
	}
	if err := metadataOf(t, address); err != nil {
		t.Errorf("another client: %v", err)
	}
}

// TestIntakeRate: a message that comes too slowly ends the connection; a stream by
// which nothing comes does not.
func TestIntakeRate(t *testing.T) {
	address := listen(t, Options{ReadTimeout: 200 * time.Millisecond, MinRate: 16 << 10})
	slow, quiet, steady := newRude(t, address), newRude(t, address), newRude(t, address)
	if err := slow.call(infer, 100, []byte("begins")); err != nil {
		t.Fatal(err)
	}
	if err := quiet.call(stream, 0, nil); err != nil {
		t.Fatal(err)
	}
	if err := steady.call(infer, 128<<10, make([]byte, 100<<10)); err != nil { // which is worth six seconds more
		t.Fatal(err)
	}
	if !slow.lost(time.Minute) {
		t.Error("a message may take for ever")
	}
	if quiet.lost(300*time.Millisecond) || steady.lost(300*time.Millisecond) {
		t.Error("a stream without a message, or a message that comes fast enough, lost its connection")
	}
	if !steady.lost(time.Minute) {
		t.Error("a message may take for ever, when it begins fast")
	}
}

// TestIdle: a connection without calls is told to end.
func TestIdle(t *testing.T) {
	address := listen(t, Options{Idle: time.Second})
	busy := newRude(t, address)
	if err := busy.call(stream, 0, nil); err != nil {
		t.Fatal(err)
	}
	idle := newRude(t, address)
	select {
	case <-idle.bye:
	case <-time.After(time.Minute):
		t.Error("it may be idle for ever")
	}
	select {
	case <-busy.bye:
		t.Error("one with a stream is no idle one")
	case <-time.After(100 * time.Millisecond):
	}
}

// TestCalls: all connections together have a bound of calls, and those that end make
// room.
func TestCalls(t *testing.T) {
	c := calls{most: 2}
	first, end := context.WithCancel(t.Context())
	second, endSecond := context.WithCancel(t.Context())
	defer endSecond()
	if !c.enter(first) || !c.enter(second) || c.enter(t.Context()) {
		t.Error("two may, and no third")
	}
	end()
	for i := 0; c.now.Load() > 1 && i < 60_000; i++ {
		time.Sleep(time.Millisecond)
	}
	if !c.enter(second) {
		t.Error("one that ended makes no room")
	}
	address := listen(t, Options{MaxMessage: 1 << 10, MaxRequests: 1 << 10})
	r := newRude(t, address)
	for range leastCalls {
		if err := r.call(infer, 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; ; i++ {
		if err := metadataOf(t, address); status.Code(err) == codes.ResourceExhausted {
			break
		} else if i == 10_000 {
			t.Fatalf("one more than may: %v", err)
		}
		if err := r.call(infer, 0, nil); err != nil { // ours may have taken the place of one that came then
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	r.conn.Close()
	for i := 0; ; i++ {
		if err := metadataOf(t, address); err == nil {
			break
		} else if i == 10_000 {
			t.Fatalf("afterwards: %v", err)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestWatching: those who wait for health to change, without a key, have a bound of
// their own, and take nothing from others.
func TestWatching(t *testing.T) {
	address := listen(t, Options{Streams: 2 * mostWatching})
	r := newRude(t, address)
	for range mostWatching {
		if err := r.call(healthpb.Health_Watch_FullMethodName, 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	c, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := 0; ; i++ {
		w, err := healthpb.NewHealthClient(c).Watch(t.Context(), &healthpb.HealthCheckRequest{})
		if err == nil {
			_, err = w.Recv()
		}
		if status.Code(err) == codes.ResourceExhausted {
			break
		} else if i == 10_000 {
			t.Fatalf("one more than may: %v", err)
		}
		if err := r.call(infer, 0, nil); err != nil { // ours may have taken the place of one that came then
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	if _, err := healthpb.NewHealthClient(c).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
		t.Errorf("a short question: %v", err)
	}
	if err := metadataOf(t, address); err != nil {
		t.Errorf("another call: %v", err)
	}
}
