package dock

import (
	"path"
	"strings"

	"github.com/wherry-run/wherry/internal/layer"
)

// Layer is one in memory with some files, by their paths, which may all be executed.
func Layer(files map[string][]byte) layer.Layer {
	const mode = 0o755
	memory, index := &layer.Memory{}, &layer.Index{Entries: []layer.Entry{{Kind: layer.Dir, Mode: mode}}}
	dirs := map[string]bool{}
	for name, data := range files {
		name = strings.TrimPrefix(name, "/")
		for d := path.Dir(name); d != "." && !dirs[d]; d = path.Dir(d) {
			dirs[d] = true
			index.Entries = append(index.Entries, layer.Entry{Path: d, Kind: layer.Dir, Mode: mode})
		}
		ref := layer.Ref{Digest: memory.PutBytes(data), Size: int64(len(data))}
		index.Entries = append(index.Entries, layer.Entry{Path: name, Kind: layer.File, Mode: mode, Size: ref.Size, Content: ref})
	}
	index.Sort()
	return layer.Layer{Index: index, Content: memory}
}
