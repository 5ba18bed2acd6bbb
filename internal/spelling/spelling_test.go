package spelling

import "testing"

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"image", "image", 0}, {"imag", "image", 1}, {"image", "imag", 1},
		{"imbge", "image", 1}, {"mage", "image", 1}, {"kitten", "sitting", 3}, {"iris", "build", 4},
	} {
		if got := Distance(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: %d, not %d", c.a, c.b, got, c.want)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"build", "image", "imago", "a"}
	for word, want := range map[string]string{"imag": "image", "imagx": "image", "imago": "imago", "bld": "build", "bl": "", "b": "", "": "", "other": ""} {
		if got := Nearest(word, known); got != want {
			t.Errorf("%q: %q, not %q", word, got, want)
		}
	}
}
