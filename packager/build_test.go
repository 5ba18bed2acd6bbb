package packager

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCopy(t *testing.T) {
	files := map[string]string{
		"a.txt": "A", "b.txt": "B", "run.sh": "#!/bin/sh\n", "app.wasm": "\x00asm\x01\x00\x00\x00",
		"dir/x": "X", "dir/sub/y": "Y", "dir/z.log": "Z", "with space.txt": "S", "empty": "",
	}
	tests := []struct{ name, recipe, want string }{
		{"file to folder", "COPY a.txt /dst/", `dst/ 755|dst/a.txt 644 "A"`},
		{"file to name", "COPY a.txt /dst", `dst 644 "A"`},
		{"relative to workdir", "WORKDIR /w\nCOPY a.txt .", `w/ 755|w/a.txt 644 "A"`},
		{"workdir twice", "WORKDIR /w\nWORKDIR v\nCOPY a.txt b.txt ./", `w/ 755|w/v/ 755|w/v/a.txt 644 "A"|w/v/b.txt 644 "B"`},
		{"execute bit by content", "COPY run.sh app.wasm empty /", `app.wasm 755 "\x00asm\x01\x00\x00\x00"|empty 644 ""|run.sh 755 "#!/bin/sh\n"`},
		{"chmod", "COPY --chmod=0640 a.txt /", `a.txt 640 "A"`},
		{"folder's content", "COPY dir /d", `d/ 755|d/sub/ 755|d/sub/y 644 "Y"|d/x 644 "X"|d/z.log 644 "Z"`},
		{"glob", "COPY *.txt /t/", `t/ 755|t/a.txt 644 "A"|t/b.txt 644 "B"|t/with space.txt 644 "S"`},
		{"glob in folder", "COPY d?r/[xz]* /t/", `t/ 755|t/x 644 "X"|t/z.log 644 "Z"`},
		{"json form", `COPY ["with space.txt", "/o/"]`, `o/ 755|o/with space.txt 644 "S"`},
		{"exclude", "COPY --exclude=*.log --exclude=sub dir /d/", `d/ 755|d/x 644 "X"`},
		{"parents", "COPY --parents dir/sub/y /p/", `p/ 755|p/dir/ 755|p/dir/sub/ 755|p/dir/sub/y 644 "Y"`},
		{"heredoc", "ARG W=world\nCOPY <<EOF /h/\nhello $W\nEOF", `h/ 755|h/EOF 644 "hello world\n"`},
		{"raw heredoc", "COPY <<'EOF' /h.txt\nhello $W\nEOF", `h.txt 644 "hello $W\n"`},
		{"dots stop at the root", "COPY ../../a.txt /../../up/", `up/ 755|up/a.txt 644 "A"`},
		{"from stage", "COPY --chmod=711 a.txt /x/a\nFROM scratch\nCOPY --from=0 /x /y", `y/ 755|y/a 711 "A"`},
		{"later wins", "COPY a.txt /f\nCOPY b.txt /f", `f 644 "B"`},
		{"variables", "ENV D=/env\nARG N=a\nCOPY $N.txt ${D}/", `env/ 755|env/a.txt 644 "A"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := newBench(t, files).build("FROM scratch\n" + tt.recipe + "\n").list()
			if diff := cmp.Diff(strings.ReplaceAll(tt.want, "|", "\n"), got); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCopyRefuses(t *testing.T) {
	files := map[string]string{"a": "A", "b": "B", "dir/x": "X"}
	tests := []struct{ recipe, want string }{
		{"COPY nope /", "nope: no such file in the build context"},
		{"COPY *.c /", "nothing matches *.c"},
		{"COPY a b /dst", "write /dst/"},
		{"COPY a /f\nCOPY b /f/g", "is a file, not a folder"},
		{"COPY --chmod=u+x a /", "octal"},
		{"COPY dir /f/\nCOPY a /f/x\nCOPY dir /f/x", "is a file already"},
		{"COPY --from=nowhere/at:all a /", "no registry in a test"},
	}
	for _, tt := range tests {
		_, err := newBench(t, files).tryBuild("FROM scratch\n" + tt.recipe + "\n")
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, expected ...%s...", tt.recipe, err, tt.want)
		}
		if err != nil && !strings.Contains(err.Error(), "Wasmfile:") {
			t.Errorf("%s: error %v does not say where", tt.recipe, err)
		}
	}
}
