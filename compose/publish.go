package compose

import (
	"errors"
	"fmt"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.yaml.in/yaml/v4"

	"github.com/wherry-run/wherry/compose/spec"
	"github.com/wherry-run/wherry/oci"
)

// The types of Docker Compose's artifact: a stack in a registry.
const (
	ArtifactType = "application/vnd.docker.compose.project"
	FileType     = "application/vnd.docker.compose.file+yaml"
	EnvType      = "application/vnd.docker.compose.envfile"

	annotationFile    = "com.docker.compose.file"
	annotationVersion = "com.docker.compose.version"
	artifactFile      = "compose.yaml"
)

// An Artifact is a stack as it is published: documents in the order in which they are
// stored, the manifest last.
type Artifact struct{ Documents []oci.Document }

// Manifest is the artifact's name.
func (a Artifact) Manifest() ispec.Descriptor { return a.Documents[len(a.Documents)-1].Descriptor }

// Publish makes the artifact of a file that was loaded with its variables as they are
// written. images are the images of services by digest; a service that is not in it keeps
// what it has. given are the variables of services, by name, which take the place of
// env_file; with nil no service may have one.
func (f *File) Publish(images map[string]string, given map[string]map[string]string, version string) (Artifact, error) {
	model := spec.Clone(f.model).(map[string]any)
	c := &checks{file: f}
	services, _ := model["services"].(map[string]any)
	for _, name := range sorted(services) {
		service, _ := services[name].(map[string]any)
		if given != nil && service["env_file"] != nil {
			service["environment"] = filled(service["environment"], given[name])
			delete(service, "env_file")
		}
		c.published("services."+name, service)
		delete(service, "develop")
		if service["build"] != nil && images[name] == "" {
			c.add("services."+name+".build", "its image has no name in a registry", "image: REGISTRY/NAME:TAG beside build")
		}
		delete(service, "build")
		if at := images[name]; at != "" {
			service["image"] = at
		}
	}
	for _, section := range []string{"networks", "volumes"} { // whoever runs it may call it otherwise
		list, _ := model[section].(map[string]any)
		for key, v := range list {
			if part, _ := v.(map[string]any); part["name"] == fmt.Sprintf("%v_%s", model["name"], key) && nothing(part["external"]) {
				delete(part, "name")
			}
		}
	}
	for _, section := range []string{"secrets", "configs"} {
		list, _ := model[section].(map[string]any)
		for _, name := range sorted(list) {
			if o, _ := list[name].(map[string]any); o["file"] != nil {
				advice := "environment: NAME"
				if section == "configs" {
					advice = "content: TEXT, or " + advice
				}
				c.add(section+"."+name+".file", "a file of this machine does not go with the stack", advice)
			}
		}
	}
	if len(c.list) > 0 {
		return Artifact{}, &ProblemsError{c.list}
	}
	text, err := yaml.Marshal(model)
	if err != nil {
		return Artifact{}, fmt.Errorf("write the compose file: %w", err)
	}
	return artifact(text, version)
}

// Given are the variables that services have of their env_file, by name. What such a file
// takes of this machine's variables is an error, for it would go to everybody.
func (f *File) Given() (map[string]map[string]string, error) {
	out := map[string]map[string]string{}
	for _, list := range []types.Services{f.Project.Services, f.Project.DisabledServices} {
		for name, s := range list {
			vars, err := f.read.EnvFiles(s.EnvFiles)
			if err != nil {
				return nil, fmt.Errorf("services.%s.env_file: %w", name, err)
			}
			out[name] = vars
		}
	}
	return out, nil
}

// filled are a service's variables as they are written, with those that are given besides:
// their values are no variables any more.
func filled(written any, given map[string]string) any {
	list, isList := written.([]any)
	vars, _ := written.(map[string]any)
	if vars == nil {
		vars = map[string]any{}
	}
	has := map[string]bool{}
	for _, v := range list {
		name, _, _ := strings.Cut(fmt.Sprint(v), "=")
		has[name] = true
	}
	for _, name := range sorted(given) {
		if _, ok := vars[name]; ok || has[name] {
			continue
		}
		text := strings.ReplaceAll(given[name], "$", "$$")
		if isList {
			list = append(list, name+"="+text)
			continue
		}
		vars[name] = text
	}
	if isList {
		return list
	}
	return vars
}

// published checks that nothing of a service stays behind on this machine.
func (c *checks) published(at string, service map[string]any) {
	if service["env_file"] != nil {
		c.add(at+".env_file", "a file of this machine does not go with the stack", "environment, with variables where whoever runs it decides; publish --with-env writes what is in the file there")
	}
	volumes, _ := service["volumes"].([]any)
	for _, v := range volumes {
		if m, _ := v.(map[string]any); m["type"] == "bind" {
			c.add(at+".volumes", fmt.Sprintf("%v is mounted from this machine, and does not go with the stack", m["target"]), "COPY it into the image, or a volume")
		}
	}
	if list, _ := service["label_file"].([]any); len(list) > 0 {
		c.add(at+".label_file", "a file of this machine does not go with the stack", "labels")
	}
}

func artifact(text []byte, version string) (Artifact, error) {
	layer := rawDocument(FileType, text)
	layer.Descriptor.Annotations = map[string]string{annotationFile: artifactFile, annotationVersion: version}
	config := rawDocument(ispec.MediaTypeEmptyJSON, []byte("{}"))
	m := ispec.Manifest{MediaType: ispec.MediaTypeImageManifest, ArtifactType: ArtifactType, Config: config.Descriptor, Layers: []ispec.Descriptor{layer.Descriptor}}
	m.SchemaVersion = 2
	manifest, err := oci.NewDocument(ispec.MediaTypeImageManifest, m)
	return Artifact{[]oci.Document{layer, config, manifest}}, err
}

func rawDocument(mediaType string, data []byte) oci.Document {
	return oci.Document{Descriptor: ispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}, Data: data}
}

// ErrNoStack is an image that is no stack.
var ErrNoStack = errors.New("that is no compose file, but something else")

// ArtifactLayers are the files of a stack in a registry: compose files, to be merged, and
// files of variables.
func ArtifactLayers(manifest []byte, mediaType string) (files, env []ispec.Descriptor, err error) {
	m, err := oci.ParseManifest(manifest, mediaType)
	if err != nil {
		return nil, nil, err
	}
	if m.ArtifactType != ArtifactType && m.Config.MediaType != ArtifactType {
		return nil, nil, ErrNoStack
	}
	for _, l := range m.Layers {
		if l.Size > spec.MaxFile {
			return nil, nil, fmt.Errorf("a file of the stack has %d bytes, and may have %d", l.Size, spec.MaxFile)
		}
		switch l.MediaType {
		case FileType:
			files = append(files, l)
		case EnvType:
			env = append(env, l)
		}
	}
	if len(files) == 0 {
		return nil, nil, ErrNoStack
	}
	if len(env) > 1 {
		return nil, nil, fmt.Errorf("the stack has %d files of variables, and one is read", len(env))
	}
	return files, env, nil
}

// ArtifactName is what a file of a stack is written as: names in an artifact are
// anybody's, and lead nowhere.
func ArtifactName(i int, env bool) string {
	switch {
	case env:
		return ".env"
	case i == 0:
		return artifactFile
	}
	return fmt.Sprintf("compose.%d.yaml", i)
}

// Remote tells names of stacks in registries.
func Remote(name string) (ref string, ok bool) { return strings.CutPrefix(name, "oci://") }
