package main

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// wheel packs a release as a wheel whose one script is the binary: `pip install`
// puts it beside python, executable. The format is that of the packaging user
// guide, "Binary distribution format".
func wheel(r release) (string, []byte, error) {
	name := "wherry-" + r.version
	info := name + ".dist-info"
	members := []member{
		{name + ".data/scripts/" + r.target.program(), 0o755, r.program},
		{info + "/licenses/LICENSE", 0o644, r.license},
		{info + "/METADATA", 0o644, metadata(r)},
		{info + "/WHEEL", 0o644, wheelFile(r.target)},
	}
	record := member{name: info + "/RECORD", mode: 0o644}
	record.data = recordFile(members, record.name)
	// RECORD is last by the guide's advice.
	data, err := zipped(append(members, record))
	return fmt.Sprintf("%s-py3-none-%s.whl", name, r.target.wheel), data, err
}

func metadata(r release) []byte {
	return fmt.Appendf(nil, `Metadata-Version: 2.4
Name: wherry
Version: %s
Summary: Docker for models and apps, on WebAssembly
License-Expression: Apache-2.0
License-File: LICENSE
Keywords: webassembly,wasi,oci,containers,sandbox,models
Classifier: Environment :: Console
Classifier: Operating System :: MacOS
Classifier: Operating System :: Microsoft :: Windows
Classifier: Operating System :: POSIX :: Linux
Requires-Python: >=3.7
Description-Content-Type: text/markdown

%s`, r.version, r.readme)
}

func wheelFile(t target) []byte {
	var b strings.Builder
	b.WriteString("Wheel-Version: 1.0\nGenerator: wherry-dist\nRoot-Is-Purelib: false\n")
	for tag := range strings.SplitSeq(t.wheel, ".") {
		fmt.Fprintf(&b, "Tag: py3-none-%s\n", tag)
	}
	return []byte(b.String())
}

// recordFile lists every file with its hash and size; itself without.
func recordFile(members []member, own string) []byte {
	var b strings.Builder
	for _, m := range members {
		sum := sha256.Sum256(m.data)
		fmt.Fprintf(&b, "%s,sha256=%s,%d\n", m.name, base64.RawURLEncoding.EncodeToString(sum[:]), len(m.data))
	}
	fmt.Fprintf(&b, "%s,,\n", own)
	return []byte(b.String())
}
