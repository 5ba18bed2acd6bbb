package oci

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Media types of derived data: what was found out about the programs of an image when it was built, so that they start
// sooner. It is one more manifest in the image's index. An image gives the same answers without it.
const (
	// DerivedArtifact is the artifact type of the manifest; its subject is the image manifest.
	DerivedArtifact = "application/vnd.wherry.derived.v1"
	// DerivedConfig is the type of its config, a [Derived].
	DerivedConfig = "application/vnd.wherry.derived.config.v1+json"
	// FactsLayer is the type of a layer with the facts of one module, compressed.
	FactsLayer = "application/vnd.wherry.facts.v1+zstd"
	// PagesLayer is the type of a layer with pages of a memory, compressed.
	PagesLayer = "application/vnd.wherry.pages.v1+zstd"
)

// derivedVersion is the version of the config that this package reads and writes.
const derivedVersion = 1

// derivedDoc is what errors call the config.
const derivedDoc = "derived data"

// Derived is the config of derived data. Nothing in it is trusted more than the image itself.
type Derived struct {
	Version   int             `json:"version"`
	Modules   []DerivedModule `json:"modules,omitempty"`
	Snapshots []Snapshot      `json:"snapshots,omitempty"` // the first that fits a run is the one
}

// DerivedModule is what is known of one module of the image.
type DerivedModule struct {
	// Content names the module: digest of the content, "@", offset, "+", length, as files of layers are found.
	Content string `json:"content"`
	// Facts is the layer with the module's facts, and Functions how many functions it has, imported ones counted.
	Facts     digest.Digest `json:"facts,omitempty"`
	Functions uint32        `json:"functions,omitempty"`
	// Whole says why the module cannot be loaded in parts: there are no facts then.
	Whole string `json:"whole,omitempty"`
	// Hot are the functions that run when a program of the module does.
	Hot Functions `json:"hot,omitempty"`
}

// Snapshot is a program that had been loaded and was waiting for work.
type Snapshot struct {
	// Content names the module, as in DerivedModule.
	Content string `json:"content"`
	// Program are the arguments that a run must begin with; the rest is free, unless Args is set.
	Program []string `json:"program"`
	// Protocol says how a restored guest goes on: ProtocolTurn, ProtocolWizer, ProtocolRuby or ProtocolDriver.
	Protocol string `json:"protocol"`
	// Driver names the driver of ProtocolDriver, and State is what it has to know of the memory.
	Driver string `json:"driver,omitempty"`
	State  []byte `json:"state,omitempty"`
	// Hot are the functions that run after a restore, and Later those that only some runs need: they are loaded
	// together when the first of them is called.
	Hot   Functions `json:"hot,omitempty"`
	Later Functions `json:"later,omitempty"`
	// Memory is the length of the memory in bytes, and Pages the layers it is made of, each over the ones before.
	Memory uint64          `json:"memory"`
	Pages  []digest.Digest `json:"pages"`
	// Globals are the values of the module's globals.
	Globals []uint64 `json:"globals,omitempty"`
	// Reads says what the program had looked at when the snapshot was taken.
	Reads Reads `json:"reads"`
	// Packages is set when no program is in it, but the packages that programs import. No image has
	// such a snapshot: it is of one machine.
	Packages bool `json:"-"`
	// Realtime and Monotonic are its clocks at that time, in nanoseconds.
	Realtime  int64 `json:"realtime"`
	Monotonic int64 `json:"monotonic"`
}

// The protocols of snapshots.
const (
	// ProtocolTurn is that of the Python base: source text is handed to an exported function turn.
	ProtocolTurn = "turn"
	// ProtocolWizer calls the export wizer.initialize before the snapshot, and the program's entry after a restore.
	ProtocolWizer = "wizer"
	// ProtocolRuby is that of package wasi/ruby: the interpreter has begun, and is then handed what to run.
	ProtocolRuby = "ruby"
	// ProtocolDriver is of a library that its host works with: see runtime.Driver.
	ProtocolDriver = "driver"
)

// Reads is what a program looked at: a run in which one of these is something else starts without the snapshot.
type Reads struct {
	// Args is set when it looked at arguments beyond those of Program.
	Args bool `json:"args,omitempty"`
	// Env are the variables it looked at, nil for one that was not set. AllEnv is set when it listed them.
	Env    map[string]*string `json:"env,omitempty"`
	AllEnv bool               `json:"allEnv,omitempty"`
	// Terminal is set when it asked whether it has a terminal.
	Terminal bool `json:"terminal,omitempty"`
	// Dirs are the folders that it opened or opened files in, and files that it looked for, as absolute paths.
	Dirs []string `json:"dirs,omitempty"`
}

// UnmarshalJSON refuses what it does not know: nobody could tell whether a run is the same in that.
func (r *Reads) UnmarshalJSON(data []byte) error {
	type plain Reads
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode((*plain)(r))
}

// Functions is an ascending list of function indices. In JSON it is the base64 of their differences in LEB128.
type Functions []uint32

// MarshalText encodes the list.
func (f Functions) MarshalText() ([]byte, error) {
	b := make([]byte, 0, 2*len(f))
	last := uint32(0)
	for _, x := range f {
		if x < last {
			return nil, errors.New("functions are not in order")
		}
		b = binary.AppendUvarint(b, uint64(x-last))
		last = x
	}
	return base64.StdEncoding.AppendEncode(nil, b), nil
}

// UnmarshalText decodes a list.
func (f *Functions) UnmarshalText(text []byte) error {
	b, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return err
	}
	list := make(Functions, 0, len(b)/2)
	last := uint64(0)
	for len(b) > 0 {
		v, n := binary.Uvarint(b)
		if last += v; n <= 0 || v > 1<<32-1 || last > 1<<32-1 {
			return errors.New("damaged list of functions")
		}
		if len(list) == maxDerivedFunctions {
			return fmt.Errorf("more than %d functions", maxDerivedFunctions)
		}
		b = b[n:]
		list = append(list, uint32(last))
	}
	*f = list
	return nil
}

// Bounds of derived data.
const (
	maxDerivedModules   = 64
	maxDerivedSnapshots = 16
	maxSnapshotList     = 10_000
	maxSnapshotMemory   = 65535 << 16 // what the engine allows a memory
	maxDerivedFunctions = 1_000_000

	// As with layers, what pages unpack to is bounded by their own size; memories are mostly zeros.
	maxMemoryRatio    = 1000
	freeMemory        = 256 << 20
	maxSnapshotMoment = 1 << 60 // nanoseconds, some decades: clocks go on from there
	maxWhole          = 1000
	maxDriver         = 200
	maxState          = 64 << 10
)

// BuildDerived encodes derived data over its layers, which must have all that d names, for the image manifest subject.
func BuildDerived(d Derived, subject ispec.Descriptor, layers []ispec.Descriptor, annotations map[string]string) (config, manifest Document, err error) {
	d.Version = derivedVersion
	if err := d.check(layers); err != nil {
		return Document{}, Document{}, fmt.Errorf("build derived data: %w", err)
	}
	if config, err = NewDocument(DerivedConfig, d); err != nil {
		return Document{}, Document{}, err
	}
	if layers == nil {
		layers = []ispec.Descriptor{} // of a module that stays whole
	}
	subject = ispec.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size}
	m := ispec.Manifest{MediaType: ispec.MediaTypeImageManifest, ArtifactType: DerivedArtifact, Config: config.Descriptor,
		Layers: layers, Subject: &subject, Annotations: annotations}
	m.SchemaVersion = 2
	manifest, err = NewDocument(ispec.MediaTypeImageManifest, m)
	return config, manifest, err
}

// ParseDerived reads the config of derived data and holds it against its manifest.
func ParseDerived(data []byte, m *ispec.Manifest) (*Derived, error) {
	if m.ArtifactType != DerivedArtifact || m.Config.MediaType != DerivedConfig {
		return nil, fmt.Errorf("derived data: the manifest is one of %s", quote(m.ArtifactType))
	}
	var d Derived
	if err := decodeStrict(derivedDoc, data, MaxConfig, &d); err != nil {
		return nil, err
	}
	if d.Version != derivedVersion {
		return nil, fmt.Errorf("derived data: version %d, and %d is known", d.Version, derivedVersion)
	}
	if err := d.check(m.Layers); err != nil {
		return nil, fmt.Errorf("derived data: %w", err)
	}
	return &d, nil
}

// check holds d against its bounds and its layers.
func (d *Derived) check(layers []ispec.Descriptor) error {
	kinds, room := map[digest.Digest]string{}, int64(freeMemory)
	for _, l := range layers {
		if kinds[l.Digest] == "" && l.MediaType == PagesLayer {
			room += maxMemoryRatio * min(max(l.Size, 0), maxSnapshotMemory)
		}
		kinds[l.Digest] = l.MediaType
	}
	if len(d.Modules) > maxDerivedModules || len(d.Snapshots) > maxDerivedSnapshots {
		return fmt.Errorf("%d modules and %d snapshots are too many", len(d.Modules), len(d.Snapshots))
	}
	for _, m := range d.Modules {
		if m.Content == "" {
			return errors.New("a module without a name")
		}
		if m.Whole != "" && (m.Facts != "" || len(m.Hot) > 0 || len(m.Whole) > maxWhole) {
			return fmt.Errorf("%s is whole and in parts", quote(m.Content))
		}
		if m.Whole == "" && kinds[m.Facts] != FactsLayer {
			return fmt.Errorf("the facts of %s are no layer of it", quote(m.Content))
		}
	}
	for i := range d.Snapshots {
		if err := d.Snapshots[i].check(kinds); err != nil {
			return fmt.Errorf("snapshot %d: %w", i, err)
		}
		if room -= int64(d.Snapshots[i].Memory); room < 0 {
			return fmt.Errorf("snapshot %d: a memory of %d bytes, of which the layers hold next to nothing", i, d.Snapshots[i].Memory)
		}
	}
	return nil
}

func (s *Snapshot) check(kinds map[digest.Digest]string) error {
	const page = 1 << 16
	switch {
	case s.Protocol != ProtocolTurn && s.Protocol != ProtocolWizer && s.Protocol != ProtocolRuby && s.Protocol != ProtocolDriver:
		return fmt.Errorf("protocol %s is not known", quote(s.Protocol))
	case (s.Driver != "") != (s.Protocol == ProtocolDriver) || len(s.Driver) > maxDriver || len(s.State) > maxState:
		return errors.New("what it says of a driver is wrong")
	case s.Memory == 0 || s.Memory%page != 0 || s.Memory > maxSnapshotMemory:
		return fmt.Errorf("a memory of %d bytes", s.Memory)
	case len(s.Program) == 0 || len(s.Program) > maxSnapshotList || len(s.Globals) > maxSnapshotList ||
		len(s.Reads.Env) > maxSnapshotList || len(s.Reads.Dirs) > maxSnapshotList:
		return errors.New("a list is empty or too long")
	case len(s.Pages) == 0 || len(s.Pages) > MaxLayers:
		return fmt.Errorf("%d layers of pages", len(s.Pages))
	case s.Content == "":
		return errors.New("it is of no module")
	case s.Monotonic < 0 || s.Realtime < 0:
		return errors.New("time before its beginning")
	case s.Monotonic > maxSnapshotMoment:
		return errors.New("time after its end")
	}
	for i, p := range s.Pages {
		if kinds[p] != PagesLayer {
			return fmt.Errorf("pages %s are no layer of it", p)
		}
		if slices.Contains(s.Pages[:i], p) {
			return fmt.Errorf("pages %s are there twice", p)
		}
	}
	return nil
}
