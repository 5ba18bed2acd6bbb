package compose

import (
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/tree"
)

// look finds the attributes of a file that are none of ours, and what services say of
// their recipes.
func (f *File) look(model map[string]any) {
	known := tree.NewMatcher(supported()...)
	f.inspect(model, tree.NewPath(), known)
	slices.SortStableFunc(f.Findings, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
}

// inspect walks a value whose path is known.
func (f *File) inspect(v any, at tree.Path, known *tree.Matcher) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range sorted(v) {
			next := at.Next(key)
			switch parts := next.Parts(); {
			case strings.HasPrefix(key, "x-"): // anybody's
			case len(parts) == 4 && parts[0] == "services" && parts[2] == "build" && key == "dockerfile":
				f.recipes[tree.Path(parts[1]).String()] = true
			case known.Matches(next) || known.MayContain(next):
				f.inspect(v[key], next, known)
			default:
				if p, told := problemOf(next, v[key]); told {
					f.Findings = append(f.Findings, p)
				}
			}
		}
	case []any:
		for _, e := range v {
			f.inspect(e, at.Next(tree.PathMatchList), known)
		}
	}
}
