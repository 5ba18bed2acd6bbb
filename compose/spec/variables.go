package spec

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	interp "github.com/compose-spec/compose-go/v2/interpolation"
	"github.com/compose-spec/compose-go/v2/override"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/tree"
)

// variables replaces a document's variables, and has attributes that once were extensions
// under their names.
func (l *loader) variables(d document, in scope) (reading, error) {
	l.seen = append(l.seen, &seen{document: d, in: in})
	return l.replaced(d, in)
}

// replaced leaves the document as it is.
func (l *loader) replaced(d document, in scope) (reading, error) {
	r := reading{d, d.tree}
	if l.raw {
		r.tree = clone(d.tree).(map[string]any)
	} else {
		if l.casts == nil {
			l.casts = casts(l.warn)
		}
		replace := func(part map[string]any) error {
			return l.warn.during(func() (err error) {
				r.tree, err = interp.Interpolate(part, interp.Options{Substitute: l.substitute, LookupValue: l.lookup(in), TypeCastMapping: l.casts})
				return err
			})
		}
		if err := replace(d.tree); err != nil {
			l.warn.quiet = true // what is done again is told once
			return r, l.blame(r, d.tree, err, replace)
		}
	}
	if err := promote(r.tree); err != nil {
		return r, &Error{File: d.file, Text: said(err), Err: err}
	}
	return r, nil
}

// substitute is the library's, for texts that it is done with in time.
func (l *loader) substitute(text string, vars template.Mapping) (string, error) {
	n := strings.Count(text, "$")
	if n == 0 {
		return text, nil
	}
	if l.work += n * len(text); l.work > maxWork || nested(text) > maxNested {
		return "", errVariables
	}
	over := false
	out, err := template.Substitute(text, func(name string) (string, bool) {
		v, ok := vars(name)
		if l.work += n * len(v); l.work > maxWork {
			over = true
			return "", true
		}
		return v, ok
	})
	if over {
		return "", errVariables
	}
	return out, err
}

var errVariables = errors.New("there are too many variables in the text")

// nested is how deep variables are in defaults of variables.
func nested(text string) int {
	depth, most := 0, 0
	for i := range len(text) {
		switch {
		case text[i] == '{' && i > 0 && text[i-1] == '$':
			depth++
			most = max(most, depth)
		case text[i] == '}' && depth > 0:
			depth--
		}
	}
	return most
}

// interpolate replaces variables where no types are known.
func (l *loader) interpolate(v map[string]any, in scope) (out map[string]any, err error) {
	err = l.warn.during(func() error {
		out, err = interp.Interpolate(v, interp.Options{Substitute: l.substitute, LookupValue: l.lookup(in)})
		return err
	})
	return out, err
}

// promote gives the extensions that became attributes their new names.
func promote(in map[string]any) error {
	services, _ := in["services"].(map[string]any)
	for name, v := range services {
		service, ok := v.(map[string]any)
		if !ok {
			continue
		}
		at := tree.NewPath("services", name, "develop")
		if err := rename(service, "x-develop", "develop", at); err != nil {
			return err
		}
		develop, _ := service["develop"].(map[string]any)
		watch, _ := develop["watch"].([]any)
		for _, v := range watch {
			if w, ok := v.(map[string]any); ok {
				if err := rename(w, "x-initialSync", "initial_sync", at.Next("watch").Next("[]").Next("initial_sync")); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// rename moves what is under an old name; what is under the new one wins.
func rename(in map[string]any, before, now string, at tree.Path) error {
	old, ok := in[before]
	if !ok {
		return nil
	}
	delete(in, before)
	if in[now] == nil {
		in[now] = old
		return nil
	}
	return guard(func() error {
		merged, err := override.MergeYaml(clone(old), in[now], at)
		in[now] = merged
		return err
	})
}

// casts are the types that text of a variable is to have, by the paths of attributes.
func casts(w *warnings) map[tree.Path]interp.Cast {
	toBoolean := w.toBoolean
	out := map[tree.Path]interp.Cast{}
	add := func(cast interp.Cast, before []string, attributes ...string) {
		for _, b := range before {
			for _, a := range attributes {
				out[tree.Path(b+"."+a)] = cast
			}
		}
	}
	services, workloads := []string{"services.*"}, []string{"services.*", "jobs.*"}
	containers := append(workloads[:2:2], "services.*.pre_start.*")

	add(toBoolean, []string{"networks.*"}, "external", "internal", "attachable", "enable_ipv4", "enable_ipv6")
	add(toBoolean, []string{"volumes.*", "secrets.*", "configs.*"}, "external")
	add(toBoolean, containers, "init", "networks.*.use_service_name_alias", "oom_kill_disable", "privileged", "read_only", "volumes.[].read_only", "volumes.[].volume.nocopy")
	add(toInt64, containers, "cpu_count", "cpu_period", "cpu_quota", "cpu_rt_period", "cpu_rt_runtime", "cpu_shares", "oom_score_adj", "pids_limit")
	add(toInt, containers, "ulimits.*", "ulimits.*.hard", "ulimits.*.soft")
	add(toFloat64, containers, "cpu_percent")
	add(toFloat32, containers, "cpus")
	add(toMask, containers, "umask")
	add(toBoolean, workloads, "depends_on.*.required", "depends_on.*.restart", "healthcheck.disable", "stdin_open", "tty")
	add(toInt, workloads, "healthcheck.retries", "ports.[].target")
	add(toInt, services, "deploy.replicas", "deploy.update_config.parallelism", "deploy.rollback_config.parallelism", "deploy.restart_policy.max_attempts",
		"deploy.placement.max_replicas_per_node", "scale")
	add(toFloat64, services, "deploy.update_config.max_failure_ratio", "deploy.rollback_config.max_failure_ratio")
	return out
}

func toInt(s string) (any, error)   { return cast(strconv.Atoi(s)) }
func toInt64(s string) (any, error) { return cast(strconv.ParseInt(s, 10, 64)) }

// toMask has a leading 0 mean octal, as in YAML.
func toMask(s string) (any, error)    { return cast(strconv.ParseUint(s, 0, 32)) }
func toFloat64(s string) (any, error) { return cast(strconv.ParseFloat(s, 64)) }

func toFloat32(s string) (any, error) {
	f, err := strconv.ParseFloat(s, 32)
	return cast(float32(f), err)
}

// cast has numbers' errors in few words.
func cast[T any](v T, err error) (any, error) {
	if e, ok := err.(*strconv.NumError); ok {
		return nil, fmt.Errorf("a number is expected, and %q is there", e.Num)
	}
	return v, err
}

// toBoolean takes the words of YAML 1.1, too.
func (w *warnings) toBoolean(s string) (any, error) {
	word := strings.ToLower(s)
	switch word {
	case "true", "y", "yes", "on":
	case "false", "n", "no", "off":
	default:
		return nil, fmt.Errorf("true or false is expected, and %q is there", s)
	}
	v := word == "true" || word == "y" || word == "yes" || word == "on"
	if word != "true" && word != "false" {
		w.say("%q is text in YAML 1.2: write %t", s, v)
	}
	return v, nil
}
