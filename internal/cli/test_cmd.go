package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/version"
	"github.com/wherry-run/wherry/model"
)

// testOptions are the flags of wherry test.
type testOptions struct {
	modelOptions
	cases  string
	format string
}

func (a *app) testCommand() *cobra.Command {
	var o testOptions
	cmd := &cobra.Command{
		Use:   "test [OPTIONS] IMAGE|FOLDER",
		Short: "Check that a model answers its golden cases on this machine",
		Long: `Check that a model answers its golden cases on this machine as it did where they
were made.

The cases are in the image, where its Wasmfile has MODEL --golden=FILE; wherry
init makes some, and so does wherry predict --record FILE. A number may differ by
the tolerance that the case says, else by 1e-5 of what is expected or by 1e-6 of
the largest number in the output; everything else is equal or wrong. The exit code is 1 when a case fails, or there are none.`,
		Example: `  wherry test iris:1
  wherry test --format json iris:1 > report.json
  wherry test --cases cases.json ./mymodel`,
		Args:              exactly(1, "an image or a folder"),
		ValidArgsFunction: a.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.test(cmd.Context(), args[0], o)
		},
	}
	f := cmd.Flags()
	o.modelOptions.flags(f)
	o.native.flags(f)
	f.StringVar(&o.cases, "cases", "", "file of golden cases to take instead of the image's")
	f.StringVar(&o.format, "format", "", "json, or a Go template over the report")
	return cmd
}

// testReport is what wherry test finds.
type testReport struct {
	Image    string         `json:"image"`
	Digest   string         `json:"digest,omitempty"`
	Model    string         `json:"model"`
	Platform string         `json:"platform"`
	OS       string         `json:"os"`
	Arch     string         `json:"arch"`
	CPU      string         `json:"cpu,omitempty"`
	Version  string         `json:"wherry"`
	Made     map[string]any `json:"made,omitempty"` // by whom the outputs were
	Time     time.Time      `json:"time"`
	Passed   int            `json:"passed"`
	Failed   int            `json:"failed"`
	Cases    []caseReport   `json:"cases"`
}

// caseReport is what came of one case.
type caseReport struct {
	Name    string  `json:"name"`
	Passed  bool    `json:"passed"`
	Seconds float64 `json:"seconds"`
	// Worst is the element that is farthest from what is expected.
	Worst *model.Difference `json:"worst,omitempty"`
	RTol  float64           `json:"rtol"`
	ATol  float64           `json:"atol"`
	// Error is why there is no answer.
	Error string `json:"error,omitempty"`
}

func (a *app) test(ctx context.Context, what string, o testOptions) error {
	m, err := a.openModel(ctx, what, o.modelOptions)
	if err != nil {
		return err
	}
	defer m.close()
	golden, err := m.goldenCases(ctx, o.cases)
	if err != nil {
		return err
	}
	a.talk().Clear()
	if golden == nil || len(golden.Cases) == 0 {
		return &hinted{fmt.Errorf("NOTHING WAS TESTED: %s has no golden cases", what),
			"make one: wherry predict --record cases.json " + what + " INPUT...\nand put it into the image: MODEL --golden=cases.json FILE"}
	}
	r := newTestReport(m, golden)
	for i := range golden.Cases {
		c, err := a.testCase(ctx, m, golden, i)
		if err != nil {
			return err
		}
		if r.Cases = append(r.Cases, c); c.Passed {
			r.Passed++
		} else {
			r.Failed++
		}
		if o.format == "" {
			a.printCase(golden, c)
		}
	}
	if o.format != "" {
		if err := ux.Object(a.Out, o.format, r); err != nil {
			return err
		}
	} else {
		a.printReport(r)
	}
	if r.Failed > 0 {
		return errSilent
	}
	return nil
}

// goldenCases are those of the image, or of a file.
func (m *askable) goldenCases(ctx context.Context, file string) (*model.Golden, error) {
	if file == "" {
		return m.Golden(ctx)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	g, err := model.ParseGolden(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return g, nil
}

func newTestReport(m *askable, golden *model.Golden) *testReport {
	s := m.Signature()
	return &testReport{
		Image: m.name, Digest: m.digest(), Model: s.Name, Platform: s.Platform, OS: goruntime.GOOS, Arch: goruntime.GOARCH,
		CPU: cpuName(), Version: version.Get().Version, Made: golden.Made, Time: time.Now().UTC().Truncate(time.Second), Cases: []caseReport{},
	}
}

// testCase asks one case. What it fails of is the case's; the error is the end of
// all.
func (a *app) testCase(ctx context.Context, m *askable, golden *model.Golden, i int) (caseReport, error) {
	c := &golden.Cases[i]
	out := caseReport{Name: golden.Name(i)}
	out.RTol, out.ATol = golden.Tolerance(c)
	r, err := c.Request(m.Signature())
	if err != nil {
		out.Error = err.Error()
		return out, nil
	}
	began := time.Now()
	response, err := m.Predict(ctx, r)
	out.Seconds = time.Since(began).Seconds()
	if err != nil {
		if ctx.Err() != nil || errors.Is(err, model.ErrClosed) {
			return out, err
		}
		out.Error = err.Error()
		return out, nil
	}
	out.Seconds = response.Usage.Compute.Seconds()
	out.Worst, out.Passed = golden.Compare(c, m.Signature(), response)
	return out, nil
}

func (a *app) printCase(g *model.Golden, c caseReport) {
	a.compiling.hush()
	a.talk().Clear()
	width := 12
	for i := range g.Cases {
		width = max(width, min(len(g.Name(i)), 40))
	}
	status, detail := "ok  ", "exactly"
	switch {
	case c.Error != "":
		status, detail = "FAIL", c.Error
	case c.Worst != nil && c.Passed:
		detail = fmt.Sprintf("worst %.2g at %s%s", c.Worst.Relative, c.Worst.Output, c.Worst.Where)
	case c.Worst != nil:
		status, detail = "FAIL", c.Worst.String()
		if c.Worst.Error > 0 {
			detail += fmt.Sprintf("; allowed is %.2g, by rtol %.2g and atol %.2g", c.Worst.Allowed, c.RTol, c.ATol)
		}
	}
	ux.Line(a.Out, fmt.Sprintf("%s  %-*s  %8s  %s", status, width, c.Name, rounded(time.Duration(c.Seconds*float64(time.Second))), detail))
}

func (a *app) printReport(r *testReport) {
	machine := r.OS + "/" + r.Arch
	if r.CPU != "" {
		machine += ", " + r.CPU
	}
	image := r.Image
	if r.Digest != "" {
		image += " (" + r.Digest + ")"
	}
	result := fmt.Sprintf("%d of %d cases passed", r.Passed, len(r.Cases))
	if r.Failed > 0 {
		result = fmt.Sprintf("FAILED: %d of %d cases", r.Failed, len(r.Cases))
	}
	ux.Line(a.Out, fmt.Sprintf("%s on %s", result, machine))
	ux.Line(a.Out, image)
	if made := describeMade(r.Made); made != "" {
		ux.Line(a.Out, "expected outputs: "+made)
	}
}

// describeMade says who made golden cases.
func describeMade(made map[string]any) string {
	by, _ := made["by"].(string)
	var rest []string
	for k, v := range made {
		if k != "by" {
			rest = append(rest, fmt.Sprintf("%s %v", k, v))
		}
	}
	slices.Sort(rest)
	if by != "" {
		rest = slices.Insert(rest, 0, "by "+by)
	}
	return strings.Join(rest, ", ")
}
