package servercmd_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/internal/servercmd"
)

func TestParse(t *testing.T) {
	env := func(name string) string {
		return map[string]string{"FLASK_APP": "hello", "PORT": "8000"}[name]
	}
	for _, c := range []struct {
		command string
		args    string // of the program, with "-" for nothing; "" is none
		option  string // that is refused
	}{
		{"gunicorn app:app", "wsgi import app:app -", ""},
		{"gunicorn -w 4 -b 0.0.0.0:8000 app:app", "wsgi import app:app -", ""},
		{"/usr/bin/gunicorn -w4 --bind=:80 --chdir=src app:create()", "wsgi import app:create() src", ""},
		{"gunicorn -k uvicorn.workers.UvicornWorker main:app", "asgi import main:app -", ""},
		{"gunicorn app", "wsgi import app -", ""},
		{"gunicorn -k gevent app:app", "", "-k"},
		{"gunicorn --certfile x app:app", "", "--certfile"},
		{"gunicorn -c conf.py app:app", "", "-c"},
		{"gunicorn --new-option app:app", "", "--new-option"},
		{"gunicorn -w", "", "-w"},
		{"gunicorn -w many app:app", "", "-w"},
		{"uvicorn main:app --host 0.0.0.0 --port 80 --reload", "asgi import main:app -", ""},
		{"uvicorn main:make --factory --app-dir src", "asgi factory main:make src", ""},
		{"uvicorn --interface wsgi main:app", "wsgi import main:app -", ""},
		{"python -m uvicorn main:app", "asgi import main:app -", ""},
		{"hypercorn main:app", "asgi import main:app -", ""},
		{"waitress-serve --call app:create", "wsgi factory app:create -", ""},
		{"flask run", "wsgi flask hello -", ""},
		{"flask --app other run --host=0.0.0.0", "wsgi flask other -", ""},
		{"flask shell", "none", ""},
		{"python manage.py runserver 0.0.0.0:8000", "wsgi django manage.py -", ""},
		{"python3 -u site/manage.py runserver", "wsgi django manage.py site", ""},
		{"python manage.py migrate", "none", ""},
		{"python manage.py runserver --settings=a.b", "", "--settings"},
		{"python app.py", "none", ""},
		{"predict iris.py", "none", ""},
	} {
		a, err := servercmd.Parse(strings.Fields(c.command), env)
		var option *servercmd.OptionError
		switch {
		case c.args == "none":
			if !errors.Is(err, servercmd.ErrNone) {
				t.Errorf("%s: %v, %v", c.command, a, err)
			}
		case c.option != "":
			if !errors.As(err, &option) || option.Option != c.option {
				t.Errorf("%s: %v, %v", c.command, a, err)
			}
		case err != nil:
			t.Errorf("%s: %v", c.command, err)
		default:
			want := append([]string{"wherry-web"}, strings.Fields(c.args)...)
			if want[4] == "-" {
				want[4] = ""
			}
			if got := a.Args(); !slices.Equal(got, want) {
				t.Errorf("%s: %q", c.command, got)
			}
		}
	}
}

func TestShellForm(t *testing.T) {
	env := func(name string) string { return map[string]string{"PORT": "8000"}[name] }
	for text, good := range map[string]bool{
		"gunicorn -b 0.0.0.0:$PORT app:app":          true,
		"exec gunicorn --workers ${N:-2} app:app":    true,
		"gunicorn app:app && echo done":              false,
		`gunicorn "app:app"`:                         false,
		"python manage.py migrate; gunicorn app:app": false,
	} {
		a, err := servercmd.Parse([]string{"/bin/sh", "-c", text}, env)
		if (err == nil) != good {
			t.Errorf("%s: %v, %v", text, a, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("gunicorn -w 4 app:app")
	f.Add("/bin/sh -c flask")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := servercmd.Parse(strings.Split(text, " "), nil)
		if err == nil && (len(a.Args()) != 5 || a.Protocol != servercmd.WSGI && a.Protocol != servercmd.ASGI) {
			t.Errorf("%q: %+v", text, a)
		}
	})
}
