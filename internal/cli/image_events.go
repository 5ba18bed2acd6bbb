package cli

import (
	"cmp"

	"github.com/opencontainers/go-digest"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/state"
	"github.com/wherry-run/wherry/oci"
)

// imageEvent tells those who look at events of an image; ref is its name, or zero.
func (a *app) imageEvent(action string, id digest.Digest, ref oci.Reference) {
	name := ""
	if !ref.IsZero() {
		name = ref.Familiar()
	}
	a.event("image", action, string(id), name)
}

// event tells of something that is no container. That it cannot be told is no reason to
// fail for what happened.
func (a *app) event(kind, action, id, name string) {
	attributes := map[string]string{}
	if name != "" {
		attributes["name"] = name
	}
	a.tellEvent(state.Event{Type: kind, Action: action, Actor: state.Actor{ID: cmp.Or(id, name), Attributes: attributes}})
}

// joinEvent tells of a container that came into a network, or left one.
func (a *app) joinEvent(action, network, container string) {
	a.tellEvent(state.Event{Type: "network", Action: action, Actor: state.Actor{
		ID: network, Attributes: map[string]string{"name": network, "container": container},
	}})
}

func (a *app) tellEvent(e state.Event) {
	if s, err := a.openContainers(); err == nil {
		s.Event(e)
	}
}

// removedEvents tells of images that went.
func (a *app) removedEvents(list []images.Removed) {
	for _, r := range list {
		if r.Untagged != "" {
			a.event("image", "untag", "", r.Untagged)
		} else {
			a.event("image", "delete", string(r.Deleted), "")
		}
	}
}
