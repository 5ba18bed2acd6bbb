package cli

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v4"
)

// literalYAML is a compose file whose values are read again as they are: $ begins no
// variable. Keys have none.
func literalYAML(b []byte) ([]byte, error) {
	if !bytes.Contains(b, []byte("$")) {
		return b, nil
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return nil, err
	}
	literalNode(&doc)
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(&doc); err != nil {
		return nil, err
	}
	return out.Bytes(), e.Close()
}

func literalNode(n *yaml.Node) {
	switch n.Kind {
	case yaml.ScalarNode:
		n.Value = strings.ReplaceAll(n.Value, "$", "$$")
	case yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			literalNode(n.Content[i])
		}
	default:
		for _, c := range n.Content {
			literalNode(c)
		}
	}
}

// literalJSON is the same of JSON, which is to be valid.
func literalJSON(b []byte) []byte {
	var out []byte
	for len(b) > 0 {
		from := bytes.IndexByte(b, '"')
		if from < 0 {
			break
		}
		to := from + 1
		for to < len(b) && b[to] != '"' {
			if b[to] == '\\' {
				to++
			}
			to++
		}
		to = min(to+1, len(b))
		text := b[from:to]
		if !bytes.HasPrefix(bytes.TrimLeft(b[to:], " \t\r\n"), []byte(":")) {
			text = bytes.ReplaceAll(text, []byte("$"), []byte("$$"))
		}
		out = append(append(out, b[:from]...), text...)
		b = b[to:]
	}
	return append(out, b...)
}
