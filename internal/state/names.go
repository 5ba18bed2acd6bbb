package state

import (
	"fmt"
	"math/rand/v2"
)

// freeName is a name that no container has: how water is, and what goes on it.
func (s *Store) freeName() string {
	first := []string{
		"amber", "bold", "brave", "bright", "brisk", "calm", "clear", "cool", "crisp", "deep", "early", "eager", "fair", "fast",
		"fresh", "gentle", "glad", "golden", "grand", "green", "happy", "hardy", "high", "jolly", "keen", "kind", "late", "light",
		"lively", "loyal", "lucky", "mellow", "merry", "mild", "neat", "nimble", "noble", "patient", "plain", "polite", "proud",
		"quick", "quiet", "ready", "rapid", "sandy", "sharp", "shiny", "silent", "silver", "smooth", "snug", "sober", "steady",
		"still", "sunny", "swift", "tidal", "tidy", "trim", "warm", "wide", "wild", "wise",
	}
	second := []string{
		"anchor", "barge", "bay", "beacon", "boat", "bow", "bridge", "brook", "buoy", "canal", "canoe", "cape", "cargo", "clipper",
		"coast", "compass", "coral", "cove", "creek", "current", "cutter", "deck", "delta", "dinghy", "dock", "dory", "eddy",
		"estuary", "ferry", "fjord", "galley", "gull", "harbour", "heron", "hull", "inlet", "island", "jetty", "kayak", "keel",
		"ketch", "lagoon", "lake", "lantern", "mast", "mooring", "oar", "otter", "pelican", "pier", "pilot", "pond", "port",
		"punt", "quay", "raft", "reed", "reef", "river", "rudder", "sail", "schooner", "shoal", "shore", "skiff", "sloop",
		"sound", "spring", "strait", "stream", "swan", "tern", "tide", "tiller", "tug", "wake", "wave", "wharf", "wherry", "yawl",
	}
	for n := 0; ; n++ {
		name := first[rand.IntN(len(first))] + "_" + second[rand.IntN(len(second))]
		if n > 8 {
			name += fmt.Sprint(rand.IntN(n * 10))
		}
		if s.checkName(name, "") == nil || n > 64 { // of which a number stands no chance to be taken
			return name
		}
	}
}
