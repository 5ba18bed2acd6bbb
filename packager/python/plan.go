package python

import (
	"fmt"
	"strings"
)

// Row is one line of the table of conflicts.
type Row struct {
	Asked string // as written, with its place
	Has   string // what the base or the indexes have
	Do    string // what to do
}

// ConflictError is everything that keeps the packages from being installed.
type ConflictError struct{ Rows []Row }

func (e *ConflictError) Error() string {
	noun := "packages"
	if len(e.Rows) == 1 {
		noun = "package"
	}
	head := Row{"asked", "there is", "do"}
	wide := [2]int{len(head.Asked), len(head.Has)}
	for _, r := range e.Rows {
		wide[0], wide[1] = max(wide[0], len(r.Asked)), max(wide[1], len(r.Has))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s cannot be installed as asked", len(e.Rows), noun)
	for _, r := range append([]Row{head}, e.Rows...) {
		fmt.Fprintf(&b, "\n  %-*s  %-*s  %s", wide[0], r.Asked, wide[1], r.Has, r.Do)
	}
	return b.String()
}

// checkedRequirement is a requirement that was understood and is kept.
type checkedRequirement struct {
	requirement
	name string
	line string // what pip is told
}

// plan is what to ask pip for.
type plan struct {
	keep        []checkedRequirement
	constraints []checkedRequirement
	direct      map[string]bool // asked for by name
	used        []string        // packages of the stage that are needed, sorted
	rows        []Row
	notes       []string
}

// checked is the driver's word on one requirement.
type checked struct {
	Name      string   `json:"name"`
	Extras    []string `json:"extras"`
	Specifier string   `json:"specifier"`
	URL       string   `json:"url"`
	Wanted    bool     `json:"wanted"`
	Fits      bool     `json:"fits"`
	Error     string   `json:"error"`
}

// newPlan judges every requirement and constraint before anything is fetched.
func newPlan(asked *asked, answers []checked, base installed, useBase bool) *plan {
	p := &plan{direct: map[string]bool{}}
	seen := map[Row]bool{}
	for i, req := range append(append([]requirement{}, asked.requirements...), asked.constraints...) {
		isConstraint := i >= len(asked.requirements)
		c := judged{req: req, checked: answers[i], base: base, useBase: useBase, constraint: isConstraint}
		line, row, note := c.judge()
		if note != "" {
			p.notes = append(p.notes, note)
		}
		if row != nil && !seen[*row] {
			seen[*row] = true
			p.rows = append(p.rows, *row)
		}
		if line == "" {
			continue
		}
		kept := checkedRequirement{requirement: req, name: c.Name, line: line}
		if isConstraint {
			p.constraints = append(p.constraints, kept)
			continue
		}
		p.keep = append(p.keep, kept)
		p.direct[c.Name] = true
	}
	return p
}

// judged is one requirement with all that decides about it.
type judged struct {
	checked
	req        requirement
	base       installed
	useBase    bool
	constraint bool
}

// judge gives the line for pip, or the reason why there is none.
func (c judged) judge() (line string, row *Row, note string) {
	switch {
	case c.Error != "":
		return "", &Row{c.req.shown(), "", "this is no requirement: " + c.Error}, ""
	case !c.Wanted:
		return "", nil, ""
	case c.URL != "" && !isWheelURL(c.URL):
		return "", &Row{c.req.shown(), "no address of a wheel", onlyWheels}, ""
	case installers[c.Name]:
		if c.constraint {
			return "", nil, ""
		}
		return "", nil, c.Name + " is left out: an image needs no installer"
	case c.useBase && devTools[c.Name]:
		if c.constraint {
			return "", nil, ""
		}
		return "", nil, c.Name + " is left out: a developer's tool"
	}
	if has, ok := c.base[c.Name]; ok {
		return c.judgeInstalled(has)
	}
	if advice, ok := nativeAdvice(c.Name); ok && !c.constraint && c.req.Wheel == "" && c.URL == "" {
		return "", &Row{c.req.shown(), "no pure wheel", advice}, ""
	}
	return c.forPip(), nil, ""
}

// forPip is the requirement as pip gets it: put together from what was
// understood of it, so that nothing else gets through. The marker has been
// evaluated already.
func (c judged) forPip() string {
	line := c.Name
	if len(c.Extras) > 0 {
		line += "[" + strings.Join(c.Extras, ",") + "]"
	}
	if c.URL != "" {
		return line + " @ " + c.URL
	}
	return line + c.Specifier
}

// judgeInstalled judges a requirement of a package that is there already.
func (c judged) judgeInstalled(has distribution) (line string, row *Row, note string) {
	name := c.Name
	if len(c.Extras) > 0 {
		name += "[" + strings.Join(c.Extras, ",") + "]"
	}
	where := "in the base"
	if !has.InBase {
		where = "installed before"
	}
	if c.Fits && c.URL == "" && c.req.Wheel == "" {
		if c.constraint {
			return "", nil, ""
		}
		return name, nil, ""
	}
	if c.useBase {
		if c.constraint {
			return "", nil, ""
		}
		return name, nil, fmt.Sprintf("%s: %s %s is taken", c.req.Text, has.Version, where)
	}
	do := fmt.Sprintf("write %s==%s, or pip install --use-base-versions", has.Name, has.Version)
	return "", &Row{c.req.shown(), has.Version + " " + where, do}, ""
}
