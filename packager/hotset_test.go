package packager

import (
	"slices"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/oci"
)

// TestHotSet: what a file lists is at hand in the image, in its snapshot or its
// module, whether anything else is known of that or not.
func TestHotSet(t *testing.T) {
	plain := strings.Replace(snapshotRecipe, "SNAPSHOT\n", "", 1)
	cases := []struct {
		what, recipe string
		set          prepare.HotSet
		hot, after   oci.Functions // of the module, of the snapshot
		later        oci.Functions
		err          string
	}{
		{"after a restore", snapshotRecipe, prepare.HotSet{{Content: "module@0+9", Restored: true, Functions: []uint32{2, 7}}},
			oci.Functions{1, 5, 9}, oci.Functions{2, 5, 7}, oci.Functions{8}, ""},
		{"from the beginning", snapshotRecipe, prepare.HotSet{{Content: "module@0+9", Functions: []uint32{2, 7}}},
			oci.Functions{1, 2, 5, 7, 9}, oci.Functions{5}, oci.Functions{7, 8}, ""},
		{"of whichever module", snapshotRecipe, prepare.HotSet{{Functions: []uint32{2}}}, oci.Functions{1, 2, 5, 9}, oci.Functions{5}, oci.Functions{7, 8}, ""},
		{"without a snapshot", plain, prepare.HotSet{{Content: "module@0+9", Functions: []uint32{3}}}, oci.Functions{3}, nil, nil, ""},
		{"of the program", plain, prepare.HotSet{{Functions: []uint32{3}}}, oci.Functions{3}, nil, nil, ""},
		{"another module", snapshotRecipe, prepare.HotSet{{Content: "other@0+9", Functions: []uint32{3}}}, nil, nil, nil, "the image has no module other@0+9"},
		{"no such function", plain, prepare.HotSet{{Functions: []uint32{3, 20}}}, nil, nil, nil, "there is no function 20: the module has 20"},
		{"no program", "FROM scratch\nCOPY a /a\n", prepare.HotSet{{Functions: []uint32{3}}}, nil, nil, nil, "the image names no program"},
	}
	for _, c := range cases {
		b := newBench(t, map[string]string{"a": "A"})
		r := b.withRecorder(func(s RecordSpec) (*Recording, error) {
			out := recording(s, "one")
			out.Functions = 20
			if s.Survey {
				out.Hot, out.Snapshot, out.Memory = nil, nil, nil
			} else {
				out.Snapshot.Later = []uint32{7, 8}
			}
			return out, nil
		})
		b.HotSet = c.set
		var digests []string
		for range 2 { // recorded, and remembered
			res, err := b.tryBuild(c.recipe)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want ...%s...", c.what, err, c.err)
			}
			if err != nil {
				continue
			}
			digests = append(digests, res.Index.Digest.String())
			d := b.open(res).img.Derived
			if d == nil || len(d.Modules) != 1 || !slices.Equal(d.Modules[0].Hot, c.hot) {
				t.Fatalf("%s: %+v", c.what, d)
			}
			if c.after != nil && (!slices.Equal(d.Snapshots[0].Hot, c.after) || !slices.Equal(d.Snapshots[0].Later, c.later)) {
				t.Errorf("%s: after a restore %v, later %v", c.what, d.Snapshots[0].Hot, d.Snapshots[0].Later)
			}
			if c.after == nil && len(d.Snapshots) > 0 {
				t.Errorf("%s: a snapshot was taken, and nobody asked", c.what)
			}
		}
		if c.err == "" && (len(r.specs) != 1 || digests[0] != digests[1]) {
			t.Errorf("%s: %d recordings, digests %v", c.what, len(r.specs), digests)
		}
	}
}

// TestHotSetOfWhole: a module that has to stay whole cannot have one; inspect can
// tell why by what is derived.
func TestHotSetOfWhole(t *testing.T) {
	whole := func(RecordSpec) (*Recording, error) { return nil, &NoRecordingError{"module@0+9", "it has 2 tables"} }
	b := newBench(t, map[string]string{"a": "A"})
	b.withRecorder(whole)
	python := "FROM scratch\nCOPY a /lib/a\nLABEL run.wherry.python=3.15\nENTRYPOINT [\"predict\", \"/app/predict.py\"]\n"
	img := b.build(python)
	if d := img.img.Derived; d == nil || len(d.Modules) != 1 || d.Modules[0].Whole != "it has 2 tables" || d.Modules[0].Facts != "" {
		t.Errorf("derived %+v", d)
	}
	b.HotSet = prepare.HotSet{{Functions: []uint32{1}}}
	for _, recipe := range []string{python, strings.Replace(snapshotRecipe, "SNAPSHOT\n", "", 1)} {
		if _, err := b.tryBuild(recipe); err == nil || !strings.Contains(err.Error(), "it has 2 tables") {
			t.Errorf("error %v", err)
		}
	}
}
