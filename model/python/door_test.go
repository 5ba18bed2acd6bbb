package python

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model"
)

// stubEngine has models that give back what they get.
type stubEngine struct {
	opened, closed int
	fail           error
	content        string // of every file
}

func (e *stubEngine) Find(_ context.Context, file string, data []byte) (Model, error) {
	if file == "/absent.onnx" {
		return nil, &model.ModelError{Type: "NO_SUCHFILE", Message: "no " + file}
	}
	if data != nil {
		return &stubModel{e, string(data)}, nil
	}
	return &stubModel{e, e.content}, nil
}

type stubModel struct {
	engine *stubEngine
	key    string
}

func (m *stubModel) Key() string { return m.key }
func (m *stubModel) Close()      {}

func (m *stubModel) Open(context.Context) (Session, error) {
	m.engine.opened++
	return &stubSession{m.engine}, nil
}

type stubSession struct{ engine *stubEngine }

func (s *stubSession) Signature() *model.Signature {
	x := []model.Field{{Name: "x", Type: model.FP64, Shape: []int64{-1}}}
	return &model.Signature{Inputs: x, Outputs: x}
}

func (s *stubSession) Predict(_ context.Context, r *model.Request) (*model.Response, error) {
	if s.engine.fail != nil {
		return nil, s.engine.fail
	}
	return &model.Response{Outputs: r.Inputs}, nil
}

func (s *stubSession) Close(context.Context) error {
	s.engine.closed++
	return nil
}

func doorText(text, data string) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(doorHead), uint32(len(text)))
	return append(append(b, text...), data...)
}

// asks gives what a door answers: its JSON, and the bytes behind it.
func asks(t *testing.T, d *Door, text, data string) (answer map[string]any, behind string) {
	t.Helper()
	b, err := d.Answer(t.Context(), doorText(text, data))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	n := 4 + binary.LittleEndian.Uint32(b)
	if n%16 != 0 || len(b)%16 != 0 {
		t.Errorf("%s: %d bytes of JSON in an answer of %d", text, n, len(b))
	}
	if err := json.Unmarshal(b[4:n], &answer); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return answer, string(b[n:])
}

func TestDoor(t *testing.T) {
	const run = `"inputs":[{"name":"x","datatype":"FP64","shape":[1],"size":8}]`
	e := &stubEngine{content: "old"}
	d := NewDoor(e)
	said, _ := asks(t, d, `{"open":"/m.onnx"}`, "")
	if said["key"] != "file:old:/m.onnx" || len(said["inputs"].([]any)) != 1 {
		t.Errorf("opened: %v", said)
	}
	bytesKey, _ := asks(t, d, `{"open":""}`, "model")
	if again, _ := asks(t, d, `{"open":""}`, "model"); again["key"] != bytesKey["key"] || e.opened != 2 {
		t.Errorf("the same bytes: %v, %v; %d opened", again, bytesKey, e.opened)
	}
	said, data := asks(t, d, `{"run":"file:old:/m.onnx",`+run+`}`, "01234567")
	if data != "01234567"+strings.Repeat("\x00", 8) || said["outputs"].([]any)[0].(map[string]any)["name"] != "x" {
		t.Errorf("run: %v, %q", said, data)
	}
	// A program that was put back knows keys that this door has never given.
	if said, _ = asks(t, d, `{"run":"file:old:/other.onnx",`+run+`}`, "01234567"); said["outputs"] == nil || e.opened != 3 {
		t.Errorf("a file that was not opened: %v", said)
	}
	if said, _ = asks(t, d, `{"run":"sha256:00",`+run+`}`, "01234567"); said["unknown"] != true {
		t.Errorf("bytes that were not told: %v", said)
	}
	for text, want := range map[string]string{
		`{"open":"/absent.onnx"}`: "NO_SUCHFILE", `{"run":"file:old:/absent.onnx"}`: "NO_SUCHFILE",
		`{"run":"file:old:/m.onnx","inputs":[{"name":"x","datatype":"FP64","shape":[1],"size":9}]}`:  "INVALID_ARGUMENT",
		`{"run":"file:old:/m.onnx","inputs":[{"name":"x","datatype":"FP64","shape":[2],"size":8}]}`:  "INVALID_ARGUMENT",
		`{"run":"file:old:/m.onnx","inputs":[{"name":"x","datatype":"FP64","shape":[1],"size":-8}]}`: "INVALID_ARGUMENT",
	} {
		said, _ := asks(t, d, text, "01234567")
		if e, ok := said["error"].(map[string]any); !ok || e["type"] != want {
			t.Errorf("%s: %v", text, said)
		}
	}
	for _, message := range []string{"", "x", doorHead, doorHead + "\x00\x00\x00", doorHead + "\xff\xff\xff\xff{}", string(doorText("{}", "")), string(doorText(`{"open":"a","run":"b"}`, "")), string(doorText("[", ""))} {
		if _, err := d.Answer(t.Context(), []byte(message)); err == nil {
			t.Errorf("%q was answered", message)
		}
	}
	// What ended is not asked again, and what it says of the host stays here.
	e.fail = errors.New("/home/somebody/cache: no space")
	if said, _ = asks(t, d, `{"run":"file:old:/m.onnx",`+run+`}`, "01234567"); strings.Contains(said["error"].(map[string]any)["message"].(string), "somebody") || e.closed != 1 {
		t.Errorf("a failure of the host: %v, %d closed", said, e.closed)
	}
	e.fail = nil
	if said, _ = asks(t, d, `{"run":"file:old:/m.onnx",`+run+`}`, "01234567"); said["outputs"] == nil || e.opened != 4 {
		t.Errorf("after it: %v", said)
	}
	if err := d.Close(t.Context()); err != nil || e.closed != e.opened {
		t.Errorf("closed %d of %d: %v", e.closed, e.opened, err)
	}
	if _, err := d.Answer(t.Context(), doorText(`{"open":"/m.onnx"}`, "")); !errors.Is(err, model.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestFilesThatChange has a program write a model anew under its name.
func TestFilesThatChange(t *testing.T) {
	const run = `"inputs":[{"name":"x","datatype":"FP64","shape":[1],"size":8}]`
	e := &stubEngine{content: "old"}
	d := NewDoor(e)
	asks(t, d, `{"open":"/m.onnx"}`, "")
	e.content = "new"
	// Who has opened the old one goes on with it, who opens it now has the new one.
	if said, _ := asks(t, d, `{"run":"file:old:/m.onnx",`+run+`}`, "01234567"); said["outputs"] == nil || e.opened != 1 {
		t.Errorf("the old one: %v", said)
	}
	if said, _ := asks(t, d, `{"open":"/m.onnx"}`, ""); said["key"] != "file:new:/m.onnx" || e.opened != 2 {
		t.Errorf("the new one: %v", said)
	}
	// One that this door has not opened, and that is not there any more.
	if said, _ := asks(t, NewDoor(e), `{"run":"file:old:/m.onnx",`+run+`}`, "01234567"); said["unknown"] != true || e.opened != 2 {
		t.Errorf("what was there before: %v", said)
	}
}

// TestDoorIsBounded opens more models than may be: those that nobody asks for end, and
// come back when they are.
func TestDoorIsBounded(t *testing.T) {
	const run = `"inputs":[{"name":"x","datatype":"FP64","shape":[1],"size":8}]`
	e := &stubEngine{content: "c"}
	d := NewDoor(e)
	asks(t, d, `{"open":"/first.onnx"}`, "")
	asks(t, d, `{"open":"/second.onnx"}`, "")
	for n := range maxSessions {
		asks(t, d, `{"open":""}`, strings.Repeat("x", n))
		asks(t, d, `{"run":"file:c:/first.onnx",`+run+`}`, "01234567")
	}
	if len(d.sessions) != maxSessions || e.opened != maxSessions+2 || e.closed != 2 {
		t.Errorf("%d models are open, %d were, %d ended", len(d.sessions), e.opened, e.closed)
	}
	if said, _ := asks(t, d, `{"run":"file:c:/second.onnx",`+run+`}`, "01234567"); said["outputs"] == nil || e.opened != maxSessions+3 {
		t.Errorf("what was ended: %v", said)
	}
	if said, _ := asks(t, d, `{"run":"sha256:",`+run+`}`, "01234567"); said["unknown"] != true {
		t.Errorf("bytes that were ended: %v", said)
	}
}

// TestDoorWaits asks while another program's model runs.
func TestDoorWaits(t *testing.T) {
	d := NewDoor(&stubEngine{})
	d.turn <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Answer(ctx, doorText(`{"open":"/m.onnx"}`, "")); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := d.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// FuzzDoor checks that no message breaks the host.
func FuzzDoor(f *testing.F) {
	f.Add(doorText(`{"open":"/m.onnx"}`, ""))
	f.Add(doorText(`{"run":"file:/m.onnx","inputs":[{"name":"x","datatype":"FP64","shape":[1],"size":8}],"outputs":["x"]}`, "01234567"))
	f.Fuzz(func(t *testing.T, message []byte) {
		b, err := NewDoor(&stubEngine{}).Answer(t.Context(), message)
		if err == nil && (len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4)) {
			t.Errorf("answer %q", b)
		}
	})
}
