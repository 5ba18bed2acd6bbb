package packager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
)

// withRunner lets run stand for the sandbox.
func (b *bench) withRunner(run func(RunSpec) ([]layer.Entry, error)) *scriptRunner {
	r := &scriptRunner{store: b.store, run: run}
	b.Runner = r
	return r
}

func TestRun(t *testing.T) {
	b := newBench(t, map[string]string{"a": "A"})
	r := b.withRunner(func(s RunSpec) ([]layer.Entry, error) {
		return []layer.Entry{
			b.store.file("out", "made by "+strings.Join(s.Args, " ")),
			{Path: "a", Kind: layer.Whiteout},
			{Path: "link", Kind: layer.Symlink, Target: "out", ModTime: 77},
		}, nil
	})
	text := "FROM scratch\nARG V=1\nENV E=2\nWORKDIR /w\nCOPY a /\nRUN produce \"$E\" && finish\nRUN [\"/x\", \"$E\"]\n"
	img := b.build(text)
	if got, want := img.list(), "link -> out\nout 644 \"made by /x $E\"\nw/ 755"; got != want {
		t.Errorf("files:\n%s\nexpected:\n%s", got, want)
	}
	if len(r.specs) != 2 {
		t.Fatalf("%d programs ran", len(r.specs))
	}
	s := r.specs[0]
	if diff := cmp.Diff([]string{"/bin/sh", "-c", "produce \"$E\" && finish"}, s.Args); diff != "" {
		t.Error(diff)
	}
	if want := []string{"E=2", "V=1", "PATH=" + defaultPath, "HOME=/root", "SOURCE_DATE_EPOCH=315532800"}; cmp.Diff(want, s.Env) != "" || s.Dir != "/w" || !s.Epoch.Equal(DefaultEpoch) {
		t.Errorf("environment %v, folder %s, time %v", s.Env, s.Dir, s.Epoch)
	}
	if s.Seed == r.specs[1].Seed || s.Seed == [32]byte{} {
		t.Error("both programs draw the same random numbers")
	}
	if again := b.build(text); again.Index.Digest != img.Index.Digest || len(r.specs) != 2 {
		t.Errorf("the second build ran %d programs", len(r.specs)-2)
	}
	b.build(strings.Replace(text, "produce", "other", 1))
	if len(r.specs) != 4 {
		t.Errorf("after a change %d programs ran, expected both", len(r.specs)-2)
	}
	b.NoCache = true
	if again := b.build(text); again.Index.Digest != img.Index.Digest || len(r.specs) != 6 {
		t.Errorf("--no-cache ran %d programs", len(r.specs)-4)
	}
}

func TestRunForgetsSweptContent(t *testing.T) {
	b := newBench(t, nil)
	r := b.withRunner(func(RunSpec) ([]layer.Entry, error) { return []layer.Entry{b.store.file("out", "x")}, nil })
	first := b.build("FROM scratch\nRUN produce\n")
	fresh := &memStore{} // as after a sweep
	b.store, b.Store, b.images.store, r.store = fresh, fresh, fresh, fresh
	second := b.build("FROM scratch\nRUN produce\n")
	if len(r.specs) != 2 || first.Index.Digest != second.Index.Digest {
		t.Errorf("%d programs ran", len(r.specs))
	}
}

func TestRunHeredocs(t *testing.T) {
	b := newBench(t, nil)
	r := b.withRunner(func(RunSpec) ([]layer.Entry, error) { return nil, nil })
	img := b.build("FROM scratch\nRUN <<EOF\necho 1\necho 2\nEOF\nRUN <<EOF\n#!/usr/bin/env python\nprint(1)\nEOF\nRUN cat <<A >/x\ntext\nA\n")
	if len(img.manifest.Layers) != 0 {
		t.Error("programs that changed nothing made layers")
	}
	if got := r.specs[0].Args[2]; got != "echo 1\necho 2\n" {
		t.Errorf("script %q", got)
	}
	if s := r.specs[1]; len(s.Files) != 1 || s.Files[0].Path != s.Args[0] || s.Files[0].Mode != 0o755 || string(s.Files[0].Data) != "#!/usr/bin/env python\nprint(1)\n" {
		t.Errorf("script with an interpreter: %q, %+v", s.Args, s.Files)
	}
	if got := r.specs[2].Args[2]; got != "cat <<A >/x\ntext\nA" {
		t.Errorf("script %q", got)
	}
}

func TestRunFails(t *testing.T) {
	b := newBench(t, nil)
	want := errors.New("exit status 3")
	b.withRunner(func(RunSpec) ([]layer.Entry, error) { return nil, want })
	_, err := b.tryBuild("FROM scratch\n\nRUN false\n")
	var at *StepError
	if !errors.Is(err, want) || !errors.As(err, &at) || at.Line != 3 || at.Code != "RUN false" {
		t.Errorf("error %v", err)
	}
	if _, err := b.tryBuild("FROM scratch\n\nRUN false\n"); !errors.Is(err, want) {
		t.Error("the failure was remembered as a success")
	}
}

func TestSecrets(t *testing.T) {
	const secret = "hunter2-hunter2"
	b := newBench(t, map[string]string{"f": "x"})
	value := secret
	b.Secrets = map[string]Secret{"token": func() ([]byte, error) { return []byte(value + "\n"), nil }}
	leak := false
	r := b.withRunner(func(s RunSpec) ([]layer.Entry, error) {
		entries := []layer.Entry{b.store.file("out", "fine")}
		if len(s.Files) > 0 {
			entries = append(entries, b.store.file("run/secrets/token", "mount point"))
		}
		if leak {
			entries = append(entries, b.store.file("leak", strings.Repeat("x", 100_000)+secret))
		}
		return entries, nil
	})
	text := "FROM scratch\nRUN --mount=type=secret,id=token --mount=type=secret,id=token,env=T produce\nRUN other\n"
	img := b.build(text)
	if got := r.specs[0]; len(got.Files) != 1 || got.Files[0].Path != "/run/secrets/token" || string(got.Files[0].Data) != secret+"\n" || !strings.Contains(strings.Join(got.Env, " "), "T="+secret) {
		t.Errorf("first RUN sees %+v", got)
	}
	if got := r.specs[1]; len(got.Files) != 0 || strings.Contains(strings.Join(got.Env, " "), secret) {
		t.Error("the second RUN sees the secret")
	}
	if strings.Contains(img.list(), "run/secrets") {
		t.Errorf("the mount point is in the image:\n%s", img.list())
	}
	for d, data := range b.cacheAndStore() {
		if strings.Contains(data, secret) {
			t.Errorf("the secret lies in %s", d)
		}
	}
	value = "another-value-1"
	if again := b.build(text); again.Index.Digest != img.Index.Digest || len(r.specs) != 2 {
		t.Error("another secret changed the build")
	}
	value, leak, b.NoCache = secret, true, true
	if _, err := b.tryBuild(text); err == nil || !strings.Contains(err.Error(), "holds a secret") {
		t.Errorf("error %v", err)
	}
	leak, b.Secrets = false, nil
	if _, err := b.tryBuild(strings.Replace(text, "id=token", "id=token,required", 1)); err == nil || !strings.Contains(err.Error(), "--secret id=token") {
		t.Errorf("error %v", err)
	}
}

// cacheAndStore is all that a build has left behind but the runner's own files.
func (b *bench) cacheAndStore() map[string]string {
	all := map[string]string{}
	for k, v := range b.Cache.(*memCache).m {
		all["cache "+k] = k + string(v)
	}
	return all
}

func TestBindMount(t *testing.T) {
	b := newBench(t, map[string]string{"reqs/r.txt": "1"})
	r := b.withRunner(func(s RunSpec) ([]layer.Entry, error) {
		return []layer.Entry{b.store.file("mnt/r.txt", "changed"), b.store.file("out", "1")}, nil
	})
	text := "FROM scratch\nRUN --mount=type=bind,source=reqs,target=/mnt --mount=type=cache,target=/root/.cache use\n"
	img := b.build(text)
	if img.list() != "out 644 \"1\"" {
		t.Errorf("files:\n%s", img.list())
	}
	u := newUnion(r.specs[0].Layers)
	if _, ok := u.nodes["mnt/r.txt"]; !ok || len(r.specs[0].Files) != 1 || !r.specs[0].Files[0].Dir {
		t.Errorf("the program sees %v and %+v", u.nodes, r.specs[0].Files)
	}
	b.Options.Context = newBench(t, map[string]string{"reqs/r.txt": "2"}).Context
	b.build(text)
	if len(r.specs) != 2 {
		t.Error("a change of the mounted file was not seen")
	}
}

// pipRecorder stands for pip.
type pipRecorder struct {
	store *memStore
	seen  []PipRequest
}

func (p *pipRecorder) Install(_ context.Context, r PipRequest) (*Changes, error) {
	p.seen = append(p.seen, r)
	f, err := r.Root.Open("requirements.txt")
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(f)
	return &Changes{Entries: []layer.Entry{p.store.file(fmt.Sprintf("site/%d", len(p.seen)), string(text))}, Open: layer.OpenFrom(p.store)}, err
}

func TestPip(t *testing.T) {
	b := newBench(t, map[string]string{"requirements.txt": "x==1"})
	pip := &pipRecorder{store: b.store}
	b.Pip = pip
	r := b.withRunner(func(RunSpec) ([]layer.Entry, error) { return nil, nil })
	text := "FROM scratch\nARG INDEX=https://example.com/simple\nCOPY requirements.txt /\nRUN pip install --upgrade pip && pip install -r requirements.txt -i $INDEX && python -m compileall .\nRUN [\"pip\", \"install\", \"y\"]\n"
	img := b.build(text)
	var args [][]string
	for _, r := range pip.seen {
		args = append(args, r.Args)
	}
	if diff := cmp.Diff([][]string{{"--upgrade", "pip"}, {"-r", "requirements.txt", "-i", "https://example.com/simple"}, {"y"}}, args); diff != "" {
		t.Error(diff)
	}
	if len(r.specs) != 1 || r.specs[0].Args[2] != "python -m compileall ." {
		t.Errorf("programs %+v", r.specs)
	}
	if img.read("site/2") != "x==1" || len(img.manifest.Layers) != 4 {
		t.Errorf("%d layers:\n%s", len(img.manifest.Layers), img.list())
	}
	b.build(text)
	if len(pip.seen) != 3 {
		t.Error("pip ran again")
	}
	if _, err := b.tryBuild("FROM scratch\nRUN if true; then pip install x; fi\n"); err == nil || !strings.Contains(err.Error(), "a RUN of its own") {
		t.Errorf("error %v", err)
	}
}

func TestModel(t *testing.T) {
	weights := strings.Repeat("weights!", 20_000)
	b := newBench(t, map[string]string{"m/a.joblib": weights, "m/deep/b.onnx": "B", "code.py": "1"})
	text := "FROM scratch AS train\nCOPY m /m\nFROM scratch\nWORKDIR /app\nMODEL --from=train /m/a.joblib\nMODEL m /models\nCOPY code.py .\n"
	img := b.build(text)
	want := []string{"app/a.joblib", "models/a.joblib", "models/deep/b.onnx"}
	var got []string
	for _, l := range img.manifest.Layers {
		if f := l.Annotations[annotationModelFile]; f != "" {
			got = append(got, f)
			if l.MediaType != ispec.MediaTypeImageLayer {
				t.Errorf("%s is %s", f, l.MediaType)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if img.Model == nil || img.read("app/a.joblib") != weights || img.read("models/deep/b.onnx") != "B" {
		t.Error("the model is not whole")
	}
	blob := b.store.bytes(t, img.manifest.Layers[1].Digest)
	if at := strings.Index(string(blob), "weights!"); at%layer.AlignMapped != 0 {
		t.Errorf("the weights start at %d, which cannot be mapped everywhere", at)
	}
	b.Options.Context = newBench(t, map[string]string{"m/a.joblib": weights, "m/deep/b.onnx": "B", "code.py": "2"}).Context
	changed := b.build(text)
	for i := range img.manifest.Layers {
		same := img.manifest.Layers[i].Digest == changed.manifest.Layers[i].Digest
		if last := i == len(img.manifest.Layers)-1; same == last {
			t.Errorf("layer %d of %d: same is %v after a change of the code", i, len(img.manifest.Layers), same)
		}
	}
	if _, err := b.tryBuild("FROM scratch\nMODEL nothing /x\n"); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("error %v", err)
	}
}

const annotationModelFile = "org.cncf.model.filepath"
