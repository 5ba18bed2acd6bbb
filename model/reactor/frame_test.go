package reactor

import (
	"encoding/binary"
	"errors"
	"reflect"
	"testing"

	"github.com/wherry-run/wherry/model"
)

// framed makes a frame of JSON and bytes.
func framed(text string, data ...byte) []byte {
	return append(append(binary.LittleEndian.AppendUint32(nil, uint32(len(text))), text...), data...)
}

func TestParseAnswer(t *testing.T) {
	out, err := parseAnswer(framed(`{"outputs":[{"name":"a","datatype":"INT8","shape":[2],"parameters":{"binary_data_size":2}},
		{"name":"b","datatype":"INT8","shape":[1],"data":[7]},{"name":"c","datatype":"BOOL","shape":[],"parameters":{"binary_data_size":1}}]}`, 1, 255, 1))
	if err != nil || len(out) != 3 || string(out[0].Data) != "\x01\xff" || string(out[1].Data) != "\x07" || string(out[2].Data) != "\x01" {
		t.Fatalf("%v, %v", out, err)
	}
	var input *model.InputError
	var own *model.ModelError
	if _, err := parseAnswer(framed(`{"error":"too far","input":"x"}`)); !errors.As(err, &input) || input.Tensor != "x" || input.Reason != "too far" {
		t.Errorf("%v", err)
	}
	if _, err := parseAnswer(framed(`{"error":"no","type":"weather"}`)); !errors.As(err, &own) || own.Type != "weather" || own.Message != "no" {
		t.Errorf("%v", err)
	}
	for name, frame := range map[string][]byte{
		"nothing":       {},
		"a long head":   {9, 0, 0, 0, '{', '}'},
		"no JSON":       framed(`{"outputs"`),
		"cut off":       framed(`{"outputs":[{"name":"a","datatype":"INT8","shape":[2],"parameters":{"binary_data_size":2}}]}`, 1),
		"too much":      framed(`{"outputs":[]}`, 1),
		"another shape": framed(`{"outputs":[{"name":"a","datatype":"INT8","shape":[3],"parameters":{"binary_data_size":2}}]}`, 1, 2),
		"no type":       framed(`{"outputs":[{"name":"a","datatype":"X","shape":[2],"parameters":{"binary_data_size":2}}]}`, 1, 2),
		"a part":        framed(`{"outputs":[{"name":"a","datatype":"INT8","shape":[2],"parameters":{"binary_data_size":1.5}}]}`, 1, 2),
		"negative":      framed(`{"outputs":[{"name":"a","datatype":"INT8","shape":[2],"parameters":{"binary_data_size":-2}}]}`, 1, 2),
		"no size":       framed(`{"outputs":[{"name":"a","datatype":"INT8","shape":[2]}]}`, 1, 2),
	} {
		if out, err := parseAnswer(frame); err == nil {
			t.Errorf("%s: %v", name, out)
		}
	}
}

// FuzzParseAnswer has tensors that are taken be sound, and no memory taken that nobody sent.
func FuzzParseAnswer(f *testing.F) {
	f.Add(framed(`{"outputs":[{"name":"a","datatype":"INT8","shape":[2],"parameters":{"binary_data_size":2}}]}`, 1, 2))
	f.Add(framed(`{"error":"x","input":""}`))
	f.Add(append([]byte{24, 0, 0, 0}, `{"e":"","f":"","g":""}`[:20]...)) // more is said than there is
	f.Add([]byte("\x18\x00\x00\x00{\"e\xd1q\xf5\xdb\x8a<9\xa3rro\x85\":\"\"}"))
	f.Fuzz(func(t *testing.T, frame []byte) {
		out, err := parseAnswer(frame)
		if len(frame) > 4 && int64(binary.LittleEndian.Uint32(frame)) <= int64(len(frame)-4) { // what is written as usual means the same with a space before it
			end := 4 + int(binary.LittleEndian.Uint32(frame))
			spaced, wrong := parseAnswer(framed(" "+string(frame[4:end]), frame[end:]...))
			if (err == nil) != (wrong == nil) || err == nil && !reflect.DeepEqual(out, spaced) {
				t.Errorf("%+v, %v; with a space %+v, %v", out, err, spaced, wrong)
			}
		}
		if err != nil {
			return
		}
		for i := range out {
			if err := out[i].Check(); err != nil {
				t.Errorf("%v: %v", out[i], err)
			}
		}
	})
}
