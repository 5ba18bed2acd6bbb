package cli

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/model"
)

func TestParsePublish(t *testing.T) {
	for text, want := range map[string]string{
		"8080":                   "127.0.0.1:8080",
		"9000:8080":              "127.0.0.1:9000",
		"8080:8080/tcp":          "127.0.0.1:8080",
		"0:8080":                 "127.0.0.1:0",
		"0.0.0.0:8080":           "0.0.0.0:8080",
		"0.0.0.0:9000:8080":      "0.0.0.0:9000",
		"localhost:9000":         "localhost:9000",
		"model.example.com:9000": "model.example.com:9000",
		"[::1]:9000":             "[::1]:9000",
		"[::]:9000:8080":         "[::]:9000",
		"":                       "",
		"port":                   "",
		"70000":                  "",
		"80:":                    "",
		":80":                    "",
		"8080:8080/udp":          "",
		"1.2.3.4:80:80:80":       "",
		"[1.2.3]:80":             "",
		"[::1]":                  "",
		"a b:80":                 "",
	} {
		got, err := parsePublish([]string{text})
		var usage *ux.UsageError
		if want == "" && !errors.As(err, &usage) || want != "" && (err != nil || got[0] != want) {
			t.Errorf("-p %q: %v, %v, want %q", text, got, err, want)
		}
	}
	if got, err := parsePublish(nil); err != nil || len(got) != 1 || got[0] != "127.0.0.1:8080" {
		t.Errorf("without -p: %v, %v", got, err)
	}
}

func TestSplitServed(t *testing.T) {
	for word, want := range map[string][3]string{
		"iris":                                   {"iris", "1", "iris"},
		"iris:2":                                 {"iris", "2", "iris:2"},
		"iris:v2":                                {"iris", "1", "iris:v2"},
		"localhost:5000/team/iris:12":            {"iris", "12", "localhost:5000/team/iris:12"},
		"flowers=iris:2":                         {"flowers", "2", "iris:2"},
		"iris@sha256:" + strings.Repeat("a", 64): {"iris", "1", "iris@sha256:" + strings.Repeat("a", 64)},
		"./models/My Model":                      {"my-model", "1", "./models/My Model"},
		"a=./b":                                  {"a", "1", "./b"},
		folderPrefix + "iris:123456789012":       {"iris", "1", folderPrefix + "iris:123456789012"},
		"=iris":                                  {},
		"a/b=iris":                               {},
		"..=iris":                                {},
		"iris=":                                  {},
	} {
		name, version, what, err := splitServed(word)
		if got := [3]string{name, version, what}; got != want || (err != nil) != (want == [3]string{}) {
			t.Errorf("%s: %q, %v, want %q", word, got, err, want)
		}
	}
}

func TestCurlLine(t *testing.T) {
	body := `{"text":"it's 5 > 3"}`
	if got, want := curlLine("http://h/predict", body, "linux"), `curl http://h/predict -H Content-Type:application/json -d '{"text":"it'\''s 5 > 3"}'`; got != want {
		t.Errorf("got %s", got)
	}
	if got, want := curlLine("http://h/predict", body, "windows"), `curl http://h/predict -H Content-Type:application/json -d "{\"text\":\"it's 5 > 3\"}"`; got != want {
		t.Errorf("got %s", got)
	}
	if got := curlLine("http://h", "", "linux"); got != "" {
		t.Errorf("got %s", got)
	}
}

func TestAskLine(t *testing.T) {
	picture := model.Field{Name: "image", Type: model.Bytes, Shape: []int64{1}, Parameters: &model.FieldParameters{Kind: model.KindImage}}
	number := model.Field{Name: "x", Type: model.FP32, Shape: []int64{}, Parameters: &model.FieldParameters{Minimum: new(float64), Maximum: new(float64)}}
	maybe := model.Field{Name: "y", Type: model.FP32, Shape: []int64{}, Parameters: &model.FieldParameters{Optional: true}}
	huge := model.Field{Name: "x", Type: model.FP32, Shape: []int64{100, 100}}
	for _, c := range []struct {
		golden string
		inputs []model.Field
		want   string
	}{
		{"", []model.Field{picture, maybe}, "curl http://h/predict -F image=@IMAGE"},
		{"", []model.Field{number, maybe}, "curl http://h/predict -H Content-Type:application/json -d '{\"x\":0}'"},
		{`{"x":3}`, []model.Field{number}, `curl http://h/predict -H Content-Type:application/json -d '{"x":3}'`},
		{"", []model.Field{huge}, "curl http://h/v2/models/m"},
		{"", nil, "curl http://h/predict -H Content-Type:application/json -d '{}'"},
	} {
		m := &servedModel{name: "m", golden: c.golden}
		got := m.askLine("http://h", &model.Signature{Inputs: c.inputs})
		if runtime.GOOS == "windows" {
			got = strings.NewReplacer(`\"`, `"`, ` "{`, ` '{`, `}"`, `}'`).Replace(got)
		}
		if got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
}

// TestPortInUse: the error names a port that is free.
func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = listen(context.Background(), []string{l.Addr().String()})
	var hint *hinted
	if err == nil || !errors.As(err, &hint) || !strings.Contains(err.Error(), "is in use") || !strings.HasPrefix(hint.hint, "this one is free: -p ") {
		t.Errorf("%v, %+v", err, hint)
	}
}
