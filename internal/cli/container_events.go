package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
)

func (a *app) eventsCommand() *cobra.Command {
	var since, until, format string
	var filters []string
	cmd := &cobra.Command{
		Use: "events [OPTIONS]", Short: "Show what happens to containers and volumes, as it happens", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.containers(cmd.Context())
			if err != nil {
				return err
			}
			o := state.EventOptions{}
			if o.Since, err = parseTime("--since", since); err != nil {
				return err
			}
			if o.Until, err = parseTime("--until", until); err != nil {
				return err
			}
			if o.Want, err = eventFilter(filters); err != nil {
				return err
			}
			return a.events(cmd.Context(), s, o, format)
		},
	}
	f := cmd.Flags()
	f.StringVar(&since, "since", "", "from this time on, such as 2026-11-23T10:00:00Z, or 10m ago")
	f.StringVar(&until, "until", "", "up to this time")
	f.StringArrayVarP(&filters, "filter", "f", nil, "type, event, container, image, label, volume or network; NAME=VALUE")
	f.StringVar(&format, "format", "", "Go template, or json")
	return cmd
}

func (a *app) events(ctx context.Context, s *state.Store, o state.EventOptions, format string) error {
	return s.Events(ctx, o, func(e state.Event) error {
		switch format {
		case "":
			fmt.Fprintln(a.Out, eventText(e))
			return nil
		case "json":
			b, err := json.Marshal(e)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.Out, string(b))
			return err
		}
		return ux.Object(a.Out, format, e)
	})
}

// eventText is an event on a line, as Docker writes it.
func eventText(e state.Event) string {
	var attributes []string
	for k, v := range e.Actor.Attributes {
		attributes = append(attributes, k+"="+v)
	}
	slices.Sort(attributes)
	text := fmt.Sprintf("%s %s %s %s", e.At.Local().Format("2006-01-02T15:04:05.000000000Z07:00"), e.Type, e.Action, e.Actor.ID)
	if len(attributes) > 0 {
		text += " (" + strings.Join(attributes, ", ") + ")"
	}
	return text
}

// eventFilter reads -f: values of one name are or, names are and.
func eventFilter(filters []string) (func(state.Event) bool, error) {
	wanted := map[string][]string{}
	for _, f := range filters {
		name, value, ok := strings.Cut(f, "=")
		if !ok {
			return nil, &ux.UsageError{Text: "a filter is written NAME=VALUE, not " + f}
		}
		switch name {
		case "type", "event", "container", "image", "label", "volume", "network", "scope":
			wanted[name] = append(wanted[name], value)
		default:
			return nil, &ux.UsageError{Text: "unknown filter " + name}
		}
	}
	return func(e state.Event) bool {
		for name, values := range wanted {
			if !slices.ContainsFunc(values, func(v string) bool { return eventMatches(e, name, v) }) {
				return false
			}
		}
		return true
	}, nil
}

func eventMatches(e state.Event, name, value string) bool {
	of := func(kind string) bool {
		return e.Type == kind && (e.Actor.Attributes["name"] == value || strings.HasPrefix(e.Actor.ID, value))
	}
	switch name {
	case "type":
		return e.Type == value
	case "event":
		return e.Action == value || strings.HasPrefix(e.Action, value+":")
	case "container", "volume", "network":
		return of(name)
	case "image":
		image := e.Actor.Attributes["image"]
		base, _, _ := strings.Cut(image, ":")
		return image == value || base == value || of("image")
	case "label":
		key, want, exact := strings.Cut(value, "=")
		v, has := e.Actor.Attributes[key]
		return has && (!exact || v == want)
	case "scope":
		return e.Scope == value
	}
	return false
}
