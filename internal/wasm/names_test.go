package wasm

import (
	"strings"
	"testing"
)

func nameSection(entries ...any) []byte {
	body := AppendU32(nil, uint32(len(entries)/2))
	for i := 0; i < len(entries); i += 2 {
		body = AppendName(AppendU32(body, uint32(entries[i].(int))), entries[i+1].(string))
	}
	return AppendCustom(nil, "name", AppendBytes([]byte{0, 2, 1, 'm', 1}, body)) // module name first
}

func named(t *testing.T, custom []byte) *Module {
	m := &mod{types: []FuncType{void}, imports: []Import{{Module: "env", Name: "log"}, {Module: "env", Name: "g", Kind: ExternGlobal, Global: GlobalType{Type: I32}}, {Module: "env", Name: "exit"}}}
	for range 5 {
		m.funcs = append(m.funcs, 0)
		m.bodies = append(m.bodies, []byte{0, 0x0b})
	}
	m.exports = []Export{{"run", ExternFunc, 3}, {"also run", ExternFunc, 3}, {"other", ExternFunc, 4}}
	d, err := Decode(append(m.bytes(), custom...), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestNames(t *testing.T) {
	long := strings.Repeat("é", 1000)
	m := named(t, nameSection(2, "start", 4, "four", 5, long, 5, "again", 99, "beyond", 6, "\xff"))
	side := Names(m, nil)
	want := []string{"env.log", "env.exit", "start", "run", "four", long[:maxName], "", "", ""}
	for i, w := range want {
		if got := NameOf(side, uint32(i)); got != w {
			t.Errorf("function %d is %q, want %q", i, got, w)
		}
	}
	// A pass that adds one import after the two and drops function 4.
	shifted := Names(m, func(i uint32) (uint32, bool) {
		if i >= 2 {
			return i + 1, i != 4
		}
		return i, true
	})
	for i, w := range []string{"env.log", "env.exit", "", "start", "run", ""} {
		if got := NameOf(shifted, uint32(i)); got != w {
			t.Errorf("shifted function %d is %q, want %q", i, got, w)
		}
	}
	if n := testing.AllocsPerRun(100, func() { NameOf(side, 3) }); n > 1 {
		t.Errorf("a look-up allocates %v times", n)
	}
}

// TestBadNames checks that nonsense in the name section costs names and nothing else.
func TestBadNames(t *testing.T) {
	good := nameSection(2, "start", 3, "three")
	for n := 8; n <= len(good); n++ {
		content := good[7:n]
		side := Names(named(t, AppendCustom(nil, "name", content)), nil)
		if got := NameOf(side, 2); got != "" && got != "start" {
			t.Errorf("cut at %d: function 2 is %q", n, got)
		}
		if got := NameOf(side, 3); got != "run" && got != "three" {
			t.Errorf("cut at %d: function 3 is %q", n, got)
		}
	}
	if got := NameOf(nil, 0) + NameOf([]byte("WNAM"), 0) + NameOf([]byte(namesMagic+"\xff\xff\xff\xff"), 0); got != "" {
		t.Errorf("names from nothing: %q", got)
	}
}

func FuzzNameOf(f *testing.F) {
	f.Add(packNames([]funcName{{1, []byte("a")}, {7, []byte("bcd")}}), uint32(7))
	f.Add([]byte(namesMagic+"\x01\x00\x00\x00\x07\x00\x00\x00\xff\xff\xff\xff"), uint32(7))
	f.Fuzz(func(t *testing.T, side []byte, i uint32) {
		if n := len(NameOf(side, i)); n > len(side) {
			t.Errorf("a name of %d bytes from %d", n, len(side))
		}
	})
}
