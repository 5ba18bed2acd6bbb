package servercmd

import (
	"fmt"
	"path"
	"strings"
)

const (
	noTLS  = "TLS is the host's: wherry serve --tls-cert and --tls-key"
	noFile = "a file of configuration is not read: write what it says as options"
)

func newOptions() options {
	return options{map[string]func(*Application, string) error{}, map[string]func(*Application){}, map[string]string{}}
}

func gunicorn(words []string) (*Application, error) {
	a := &Application{Server: "gunicorn", Protocol: WSGI, How: Import}
	o := newOptions()
	with(o.value, nil, "-b", "--bind", "--backlog", "--worker-connections", "--max-requests", "--max-requests-jitter", "--graceful-timeout",
		"--keep-alive", "--limit-request-line", "--limit-request-fields", "--limit-request-field_size", "--log-level", "--access-logfile",
		"--access-logformat", "--error-logfile", "--log-file", "--threads", "-n", "--name", "-p", "--pid", "-u", "--user", "-g", "--group",
		"-m", "--umask", "--worker-tmp-dir", "--forwarded-allow-ips", "--proxy-allow-from", "-R", "--statsd-host", "--statsd-prefix")
	with(o.flag, nil, "--preload", "--capture-output", "--reload", "--no-sendfile", "--sendfile", "--reuse-port", "--enable-stdio-inheritance",
		"--daemon", "-D", "--disable-redirect-access-to-syslog", "--check-config", "--spew", "--initgroups", "--proxy-protocol")
	with(o.value, word(&a.Dir), "--chdir", "--pythonpath")
	with(o.value, number(&a.Workers), "-w", "--workers")
	with(o.value, number(&a.Timeout), "-t", "--timeout")
	with(o.value, func(a *Application, v string) error {
		switch {
		case strings.Contains(v, "uvicorn"):
			a.Protocol = ASGI
		case v != "sync" && v != "gthread":
			return fmt.Errorf("there is no worker %.60s: sync, gthread and uvicorn.workers.UvicornWorker are known", v)
		}
		return nil
	}, "-k", "--worker-class")
	with(o.refuse, noTLS, "--keyfile", "--certfile", "--ca-certs")
	with(o.refuse, noFile, "-c", "--config", "--paste", "--log-config")
	with(o.refuse, "variables are the container's: ENV, or -e", "-e", "--env")
	rest, err := o.read(a, words)
	if err != nil {
		return nil, err
	}
	return a, a.one(rest)
}

func uvicorn(name string, words []string) (*Application, error) {
	a := &Application{Server: name, Protocol: ASGI, How: Import}
	o := newOptions()
	with(o.value, nil, "--host", "--port", "--uds", "--fd", "-b", "--bind", "-p", "--loop", "--http", "--ws", "--ws-max-queue", "--ws-ping-interval", "--ws-ping-timeout",
		"--ws-per-message-deflate", "--lifespan",
		"--log-level", "--limit-concurrency", "--backlog", "--limit-max-requests", "--timeout-keep-alive", "--timeout-graceful-shutdown",
		"--forwarded-allow-ips", "--reload-dir", "--reload-include", "--reload-exclude", "--reload-delay", "--header", "--access-logfile",
		"--access-log", "--error-logfile", "-k", "--worker-class", "-v", "--verbosity", "-t", "--http-timeout")
	with(o.flag, nil, "--reload", "--access-log", "--no-access-log", "--use-colors", "--no-use-colors", "--proxy-headers", "--no-proxy-headers",
		"--server-header", "--no-server-header", "--date-header", "--no-date-header")
	with(o.value, number(&a.Workers), "--workers", "-w")
	with(o.value, number(&a.Message), "--ws-max-size", "--websocket-max-message-size")
	with(o.value, word(&a.Dir), "--app-dir")
	with(o.value, word(&a.Root), "--root-path")
	o.flag["--factory"] = func(a *Application) { a.How = Factory }
	o.value["--interface"] = func(a *Application, v string) error {
		switch v {
		case "wsgi":
			a.Protocol = WSGI
		case "auto", "asgi3", "asgi2":
		default:
			return fmt.Errorf("there is no interface %.40s", v)
		}
		return nil
	}
	with(o.refuse, noTLS, "--ssl-keyfile", "--ssl-certfile", "--ssl-ca-certs", "--keyfile", "--certfile")
	with(o.refuse, noFile, "--log-config", "-c", "--config")
	with(o.refuse, "variables are the container's: ENV, or --env-file", "--env-file")
	rest, err := o.read(a, words)
	if err != nil {
		return nil, err
	}
	if err := a.one(rest); err != nil {
		return nil, err
	}
	if !strings.Contains(a.Target, ":") {
		return nil, fmt.Errorf("%s: the application is to be MODULE:NAME, and not %q", name, a.Target)
	}
	return a, nil
}

func waitress(words []string) (*Application, error) {
	a := &Application{Server: "waitress-serve", Protocol: WSGI, How: Import}
	o := newOptions()
	with(o.value, nil, "--host", "--port", "--listen", "--threads", "--connection-limit", "--cleanup-interval", "--channel-timeout", "--backlog",
		"--trusted-proxy", "--url-scheme", "--ident", "--max-request-body-size")
	with(o.value, word(&a.Root), "--url-prefix")
	o.flag["--call"] = func(a *Application) { a.How = Factory }
	rest, err := o.read(a, words)
	if err != nil {
		return nil, err
	}
	return a, a.one(rest)
}

func flask(words []string, env func(string) string) (*Application, error) {
	a := &Application{Server: "flask", Protocol: WSGI, How: Flask, Target: env("FLASK_APP")}
	o := newOptions()
	with(o.value, nil, "-h", "--host", "-p", "--port", "--extra-files", "--exclude-patterns")
	with(o.value, word(&a.Target), "-A", "--app")
	with(o.flag, nil, "--debug", "--no-debug", "--reload", "--no-reload", "--debugger", "--no-debugger", "--with-threads", "--without-threads")
	with(o.refuse, noTLS, "--cert", "--key")
	with(o.refuse, "variables are the container's: ENV, or --env-file of wherry", "-e", "--env-file")
	rest, err := o.read(a, words)
	if err != nil {
		return nil, err
	}
	if len(rest) != 1 || rest[0] != "run" {
		return nil, ErrNone // another command of it is a program
	}
	return a, nil
}

func django(words []string) (*Application, error) {
	a := &Application{Server: "manage.py", Protocol: WSGI, How: Django, Target: words[0]}
	o := newOptions()
	with(o.value, nil, "--settings", "--pythonpath", "-v", "--verbosity")
	with(o.flag, nil, "--noreload", "--nothreading", "--insecure", "--skip-checks", "--ipv6", "-6", "--traceback", "--no-color", "--force-color")
	delete(o.value, "--settings")
	with(o.refuse, "write ENV DJANGO_SETTINGS_MODULE instead", "--settings")
	rest, err := o.read(a, words[1:])
	if err != nil {
		return nil, err
	}
	if len(rest) == 0 || rest[0] != "runserver" || len(rest) > 2 {
		return nil, ErrNone // another command of it is a program
	}
	if dir := path.Dir(words[0]); dir != "." {
		a.Dir, a.Target = dir, path.Base(words[0])
	}
	return a, nil
}

// Args is the program of the Python base that answers for an application, and what it
// is told.
func (a *Application) Args() []string {
	return []string{"wherry-web", a.Protocol, a.How, a.Target, a.Dir}
}
