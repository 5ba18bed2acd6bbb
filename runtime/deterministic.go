package runtime

import (
	"fmt"
	"math"
	"strconv"
	"time"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/wasi"
)

// defaultEpoch is when time begins in a deterministic run that says nothing
// else: the first moment that a zip file can hold.
var defaultEpoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// maxEpoch bounds SOURCE_DATE_EPOCH: nanoseconds are counted in 64 bits, and
// time has to have a way to go.
const maxEpoch = math.MaxInt64 / int64(time.Second) / 2

// fixedSeed is what the randomness of a deterministic run is made of.
const fixedSeed = "wherry run --deterministic"

// fixedSeeds stop language runtimes from ordering their hash tables by
// randomness. It would be fixed randomness, but a program that draws one number
// more would find all its sets in another order. The image and the Spec may say
// otherwise.
var fixedSeeds = []string{"PYTHONHASHSEED=0", "PERL_HASH_SEED=0", "PERL_PERTURB_KEYS=0"}

// determine fills what a deterministic Spec leaves open.
func determine(s Spec, config ispec.ImageConfig) (Spec, error) {
	if s.Clock == nil {
		start, err := epoch(config.Env, s.Env)
		if err != nil {
			return s, err
		}
		s.Clock = wasi.NewFixedClock(start)
	}
	if s.Random == nil {
		s.Random = wasi.SeededRandom([]byte(fixedSeed))
	}
	return s, nil
}

// epoch is when time begins: SOURCE_DATE_EPOCH, of which the last word counts.
func epoch(lists ...[]string) (time.Time, error) {
	env := newEnviron(nil)
	for _, l := range lists {
		env.set(l...)
	}
	text := env.values["SOURCE_DATE_EPOCH"]
	if text == "" {
		return defaultEpoch, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > maxEpoch {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH=%s: write the seconds since 1970 as a number from 0 to %d", text, maxEpoch)
	}
	return time.Unix(n, 0).UTC(), nil
}
