"""A WSGI or ASGI application that answers requests which the host's HTTP server has taken.

The host calls, as it calls a model; see work.py. A request is a message: its JSON has
"environ" (WSGI) or "scope" (ASGI), "size", the bytes of the body that lie behind it, and
"more" when there are more to be fetched. The answer is a message with {"status": 200, "headers": [[name,
value], ...]} and the body behind it; a text of either stands for the bytes of Latin-1.
What does not fit that goes over the door by itself: see exchange.py. A request {"end": true}
is the last one, and one with "turn" is of WebSockets: see websocket.py.
"""
import json
import os
import sys

from . import command, ending, finders, run, watch, work
from .exchange import Exchange, Gone
from .program import Program, hook


def gateway(protocol):
    """What calls applications of a protocol; the other one is not imported."""
    if protocol == "asgi":
        from .asgi import Gateway
    else:
        from .wsgi import Gateway
    return Gateway


def keep(protocol):
    """Import what answers of a protocol need, and tracebacks, to be kept in a snapshot."""
    import ast, linecache, tokenize, traceback  # noqa: F401, E401 - what a traceback is made with
    import encodings.idna  # noqa: F401 - by which the name of a server is read, with the first request

    gateway(protocol)
    if protocol == "asgi":
        from . import websocket  # noqa: F401


def prepare(argv):
    """The interpreter, as python would have it."""
    o = command.Options()
    command.environment(o, os.environ)
    run.prepare(o, "/usr/bin/python", argv)


class Web(Program):
    """An application that was imported, and answers."""

    def __init__(self, argv, over=None):
        super().__init__()
        self.fixed = 2 + len(argv)  # it is bound to all of them
        self.over = over  # the Packages that it is imported over; None: nothing is there
        if over is not None:
            self.output, self.randomness = over.output, over.randomness
        self.protocol, self.how, self.target, self.place_of_code = argv[1:5]

    def load(self, argv):
        """Import the application, to be kept in a snapshot."""
        keep(self.protocol)
        self.open(argv)
        self.output.watch()
        self.randomness.watch()
        try:
            self.gateway = self.imported()
        finally:
            self.randomness.unwatch()
            self.output.unwatch()

    def open(self, argv):
        """What comes before the application's own code."""
        if self.over is None:
            prepare(argv)
        run.fresh_main()
        folder = os.path.abspath(self.place_of_code or ".")
        os.chdir(folder)
        sys.path.insert(0, folder)
        sys.argv = [self.target]

    def begun(self, argv):
        """What answers requests, imported now and kept nowhere."""
        self.open(argv)
        self.gateway = self.imported()
        return self.worker(argv)

    def imported(self):
        """What calls the application."""
        try:
            found = finders.FINDERS[self.how](self.target)
        finally:
            if self.over is not None:
                self.over.hold()
        return gateway(self.protocol)(found)

    def worker(self, argv):
        """What answers requests: they begin."""
        self.gateway.startup()
        return self

    def refused(self):
        """What one instance would give away to another."""
        ending.flush()
        if self.output.size > watch.OUTPUT:
            return "the application prints more than 1 MiB while it loads"
        if self.randomness.drawn and not callable(hook()):
            return "%s draws secret randomness while the application loads, and all instances would share it" % self.randomness.drawn
        return ""

    def go(self, argv):
        """What a run of it shows while it is recorded; it is no program of its own."""
        self.rehearse(argv)
        return 0

    def rehearse(self, argv):
        """A request or two of a browser, for nobody: it is known then what requests run."""
        self.worker(argv)
        self.ask("/", "/", "/nothing-is-here")
        if self.protocol == "asgi":
            opened = {"id": 1, "open": _SCOPE | {"type": "websocket", "path": "/nothing-is-here", "subprotocols": []}}
            self.said({"turn": [opened, {"id": 1, "gone": 1000}]})
        if self.over is None:  # which has shown it itself
            like_many(self.protocol, self)

    def hold(self):
        """Nothing binds what is imported over it for a rehearsal."""

    def ask(self, *targets):
        """Ask for what TARGETS name; one of a pair is sent a body of the type that the other names."""
        for target in targets:
            target, kind, body = target if isinstance(target, tuple) else (target, "", b"")
            path, _, query = target.partition("?")
            asked = {"REQUEST_METHOD": "POST" if kind else "GET", "PATH_INFO": path, "QUERY_STRING": query}
            scope = {"method": asked["REQUEST_METHOD"], "path": path, "raw_path": path, "query_string": query}
            if kind:
                asked |= {"CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(body))}
                scope["headers"] = _SCOPE["headers"] + [["content-type", kind], ["content-length", str(len(body))]]
            self.said({"environ": _ENVIRON | asked, "scope": _SCOPE | scope, "size": len(body)}, body)

    def said(self, request, body=b""):
        """Have a request answered, for nobody."""
        frame = work.frame(work.MESSAGE, json.dumps(request).encode(), [body] if body else ())
        ending.guard(lambda: self.serve(_Nobody(frame)))

    def runs(self):
        """One, which is a rehearsal."""
        return [([], "", False)]

    def serve(self, call):
        """One request."""
        kind, text, data = work.MESSAGE, b"{}", ()
        try:
            _, request, memory = work.received(call)
            if "turn" in request:
                text = self.gateway.turn(request["turn"], memory, call)
            elif "end" in request:
                self.gateway.shutdown()
            else:
                text, data = self.gateway.answer(request, memory[:request["size"]], Exchange(call))
        except Gone:
            pass
        except BaseException as e:
            kind, text, data = work.ERROR, work.failure(e), ()
        ending.join()
        ending.flush()
        call(work.frame(kind, text, data))


def like_many(protocol, over):
    """Import an application like many, over what is there, and ask it."""
    from . import rehearsal

    argv = rehearsal.application(protocol, sys.modules)
    web = Web(argv, over)
    web.open(argv)
    web.gateway = web.imported()
    web.worker(argv)
    web.ask("/", "/", "/nothing-is-here", *rehearsal.TARGETS)


_ENVIRON = {"SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "http",
            "HTTP_HOST": "localhost", "HTTP_ACCEPT": "*/*", "HTTP_USER_AGENT": "rehearsal", "HTTP_COOKIE": "one=1; two=2"}
_SCOPE = {"type": "http", "http_version": "1.1", "scheme": "http", "headers": [["host", "localhost"], ["accept", "*/*"], ["cookie", "one=1; two=2"]],
          "client": ["127.0.0.1", 1], "server": ["localhost", 80]}


class _Nobody:
    """A host that has one request, and takes whatever is answered."""

    def __init__(self, request):
        self.request = request

    def __call__(self, message):
        if message == work.HEAD + work.NEXT:
            return self.request
        return b"\0"
