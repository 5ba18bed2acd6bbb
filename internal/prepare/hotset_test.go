package prepare_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/internal/prepare"
)

func TestParseHotSet(t *testing.T) {
	const module = "sha256:00@0+9"
	for text, want := range map[string]prepare.HotSet{
		"":                         nil,
		"# nothing\n\n  \n":        nil,
		"7\n3 # three\n7\n":        {{Functions: []uint32{3, 7}}},
		"\t5-8\r\n6\r\n4294967294": {{Functions: []uint32{5, 6, 7, 8, 4294967294}}},
		"1\nmodule " + module + "\n2-2\nrestored " + module + "\n4\n3": {
			{Functions: []uint32{1}}, {Content: module, Functions: []uint32{2}}, {Content: module, Restored: true, Functions: []uint32{3, 4}},
		},
	} {
		got, err := prepare.ParseHotSet(strings.NewReader(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"1\nx":                            `line 2: "x" is no function`,
		"-1":                              "line 1: ",
		"4294967295":                      "line 1: ",
		"99999999999":                     "line 1: ",
		"9-3":                             `line 1: "9-3" ends before it begins`,
		"\n0-999999\n0-1":                 "line 3: more than 1000000 functions",
		"0-1000000":                       "line 1: more than",
		"1 2":                             "line 1: ",
		"module":                          "line 1: ",
		"1-":                              "line 1: ",
		"\x00\x7fELF":                     "line 1: ",
		strings.Repeat("7", 600):          "line 1: it is longer than",
		strings.Repeat("# \n", 8e6):       "more than 16777216 bytes",
		strings.Repeat("module a\n", 257): "line 257: more than 256 modules",
	} {
		got, err := prepare.ParseHotSet(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %.80v, %v; want an error with %q", text, got, err, want)
		}
	}
}

func FuzzHotSet(f *testing.F) {
	f.Add("# a\n1\n3-9\nmodule m\n2\nrestored m\n4\n")
	f.Fuzz(func(t *testing.T, text string) {
		set, err := prepare.ParseHotSet(strings.NewReader(text))
		if err != nil {
			return
		}
		var b strings.Builder
		if _, err := set.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		again, err := prepare.ParseHotSet(strings.NewReader(b.String()))
		if err != nil || !reflect.DeepEqual(again, set) {
			t.Errorf("%q became %q: %v", text, b.String(), err)
		}
	})
}
