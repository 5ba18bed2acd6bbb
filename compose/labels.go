package compose

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/wherry-run/wherry/internal/state"
)

// The labels of Docker Compose, by which everything of a stack is found.
const (
	LabelPrefix  = "com.docker.compose."
	LabelProject = "com.docker.compose.project"
	LabelService = "com.docker.compose.service"
	LabelNumber  = "com.docker.compose.container-number"
	LabelOneOff  = "com.docker.compose.oneoff"
	LabelHash    = "com.docker.compose.config-hash"
	LabelDir     = "com.docker.compose.project.working_dir"
	LabelFiles   = "com.docker.compose.project.config_files"
	LabelNeeds   = "com.docker.compose.depends_on"
	LabelImage   = "com.docker.compose.image"
	LabelSlug    = "com.docker.compose.slug"
	LabelNetwork = "com.docker.compose.network"
	LabelVolume  = "com.docker.compose.volume"
)

// The labels of what is made for a stack of which files were fetched.
const (
	// LabelOrigin says where the stack comes from.
	LabelOrigin = "run.wherry.compose.origin"
	// LabelHooks is a hash of what runs in a container after it begins and before it ends.
	LabelHooks = "run.wherry.compose.hooks"
)

// Hash is of everything that a container of the service is created with: one with
// another hash is replaced.
func (s *Service) Hash() (string, error) {
	return s.hash(struct {
		Container
		Began  []Hook `json:",omitempty"`
		Ending []Hook `json:",omitempty"`
	}{s.Container, s.Began, s.Ending})
}

// hooks is a hash of the programs that run beside the service's own.
func (s *Service) hooks() (string, error) { return s.hash([][]Hook{s.Began, s.Ending}) }

func (s *Service) hash(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("hash service %s: %w", s.Name, err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// labels are those that a container of a service has of the stack.
func (s *Stack) labels(service *Service, hash string, number int, oneOff bool) map[string]string {
	one := "False"
	if oneOff {
		one = "True"
	}
	labels := map[string]string{
		LabelProject: s.Name, LabelService: service.Name, LabelNumber: strconv.Itoa(number), LabelOneOff: one,
		LabelHash: hash, LabelDir: s.Dir, LabelFiles: strings.Join(s.Files, ","), LabelNeeds: service.needs(),
	}
	if s.Fetched {
		maps.Copy(labels, s.origin())
		labels[LabelHooks], _ = service.hooks() // texts, of which a hash can be had
	}
	return labels
}

// needs is depends_on as the label has it: SERVICE:CONDITION:RESTART, with commas.
func (s *Service) needs() string {
	var list []string
	for _, name := range sorted(s.Needs) {
		n := s.Needs[name]
		list = append(list, fmt.Sprintf("%s:%s:%t", name, n.Condition, n.Restart))
	}
	return strings.Join(list, ",")
}

// parseNeeds reads that label.
func parseNeeds(label string) map[string]Need {
	needs := map[string]Need{}
	for part := range strings.SplitSeq(label, ",") {
		name, rest, _ := strings.Cut(part, ":")
		if name == "" {
			continue
		}
		condition, restart, _ := strings.Cut(rest, ":")
		needs[name] = Need{Condition: condition, Restart: restart == "true"}
	}
	return needs
}

// A Member is a container of a stack.
type Member struct {
	*state.Container
	Service string
	Number  int
	OneOff  bool
	Hash    string
}

// member reads the labels of a container.
func member(c *state.Container) Member {
	n, err := strconv.Atoi(c.Labels[LabelNumber])
	if err != nil {
		n = 0
	}
	return Member{Container: c, Service: c.Labels[LabelService], Number: n, OneOff: c.Labels[LabelOneOff] == "True", Hash: c.Labels[LabelHash]}
}

// name is what the nth container of a service is called.
func (s *Stack) name(service *Service, n int) string {
	if service.Container.Name != "" {
		return service.Container.Name
	}
	return fmt.Sprintf("%s-%s-%d", s.Name, service.Name, n)
}

// order lists the members by service and number.
func order(list []Member) []Member {
	slices.SortFunc(list, func(a, b Member) int {
		if c := strings.Compare(a.Service, b.Service); c != 0 {
			return c
		}
		if a.Number != b.Number {
			return a.Number - b.Number
		}
		return strings.Compare(a.Container.Name, b.Container.Name)
	})
	return list
}

// with are labels with others over them.
func with(labels, more map[string]string) map[string]string {
	out := maps.Clone(labels)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, more)
	return out
}
