"""A WSGI or ASGI application that answers requests which the host's HTTP server has taken.

The host calls, as it calls a model; see work.py. A request is a message: its JSON has
"environ" (WSGI) or "scope" (ASGI), "size", the bytes of the body that lie behind it, and
"more" when there are more to be fetched. The answer is a message with {"status": 200, "headers": [[name,
value], ...]} and the body behind it; a text of either stands for the bytes of Latin-1.
What does not fit that goes over the door, in messages that begin with HEAD and a letter:

    r   4 bytes, how much at most       more of the body; nothing: that was all
    a   4 bytes, length of JSON, JSON   begins the answer, with the first piece of its body
    w   bytes                           one more piece
    e                                   the answer is complete; the application goes on

The host answers with a byte, 0, and what was asked for; or 1: the client has gone. A
request {"end": true} is the last one, and one with "turn" is of WebSockets: see websocket.py.
"""
import io
import json
import os
import sys

from . import command, run, watch, work
from .program import Program, Unfit, hook

HEAD = b"\0web\1"
MOST = 1 << 20  # bytes of a body that are fetched at once


class Gone(OSError):
    """The client has gone, and nobody reads its answer."""


class Exchange:
    """What the host is asked during one request."""

    def __init__(self, call):
        self.call = call
        self.begun = self.ended = False

    def ask(self, letter, *data):
        """One message over the door."""
        told = self.call(b"".join((HEAD, letter, *data)))
        if told[:1] != b"\0":
            raise Gone("the client has gone")
        return told[1:]

    def read(self, size):
        """More of the body."""
        return self.ask(b"r", min(size, MOST).to_bytes(4, "little"))

    def begin(self, status, headers, body):
        """The head of the answer, and a piece of its body."""
        self.begun = True
        head = _head(status, headers)
        self.ask(b"a", len(head).to_bytes(4, "little"), head, body)

    def end(self):
        """The answer is complete."""
        self.ended = True
        self.ask(b"e")


class Body(io.RawIOBase):
    """The body of a request, of which the beginning is here."""

    def __init__(self, first, exchange):
        self.first, self.exchange, self.over = first, exchange, False

    def readable(self):
        return True

    def readinto(self, buffer):
        """What comes next; 0 at the end."""
        if not self.first and not self.over:
            self.first = memoryview(self.exchange.read(len(buffer)))
            self.over = not self.first
        n = min(len(buffer), len(self.first))
        buffer[:n] = self.first[:n]
        self.first = self.first[n:]
        return n


def _head(status, headers):
    return json.dumps({"status": status, "headers": headers}, separators=(",", ":")).encode()


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
        self.loop = self.lifespan = self.sockets = None

    def load(self, argv):
        """Import the application, to be kept in a snapshot."""
        import ast, linecache, tokenize, traceback  # noqa: F401, E401 - what a traceback is made with

        if self.protocol == "asgi":
            from . import websocket  # noqa: F401
        self.open(argv)
        self.output.watch()
        self.randomness.watch()
        try:
            self.application = self.imported()
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
        self.application = self.imported()
        return self.worker(argv)

    def imported(self):
        """The application."""
        try:
            found = FINDERS[self.how](self.target)
        finally:
            if self.over is not None:
                self.over.hold()
        if self.protocol == "asgi":
            _inline()
            if not _asgi3(found):
                found = _double(found)
        return found

    def worker(self, argv):
        """What answers requests: an application of ASGI is told that they begin."""
        if self.protocol == "asgi":
            import asyncio

            self.loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self.loop)
            self.lifespan = Lifespan(self.application)
            self.loop.run_until_complete(self.lifespan.startup())
        return self

    def refused(self):
        """What one instance would give away to another."""
        run._flush()
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
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "QUERY_STRING": "", "SERVER_NAME": "localhost", "SERVER_PORT": "80",
                   "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "http", "HTTP_HOST": "localhost",
                   "HTTP_ACCEPT": "*/*", "HTTP_USER_AGENT": "rehearsal"}
        scope = {"type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": "/", "raw_path": "/", "query_string": "",
                 "headers": [["host", "localhost"], ["accept", "*/*"]], "client": ["127.0.0.1", 1], "server": ["localhost", 80]}
        self.worker(argv)
        for path in ("/", "/", "/nothing-is-here"):
            said = {"environ": environ | {"PATH_INFO": path}, "scope": scope | {"path": path, "raw_path": path}, "size": 0}
            frame = work.frame(work.MESSAGE, json.dumps(said).encode())
            run.guard(lambda f=frame: self.serve(_Nobody(f)))
        if self.protocol == "asgi":
            gone = {"id": 1, "gone": 1000}
            said = {"turn": [{"id": 1, "open": scope | {"type": "websocket", "path": "/nothing-is-here", "subprotocols": []}}, gone]}
            run.guard(lambda f=work.frame(work.MESSAGE, json.dumps(said).encode()): self.serve(_Nobody(f)))

    def runs(self):
        """One, which is a rehearsal."""
        return [([], "", False)]

    def serve(self, call):
        """One request."""
        kind, text, data = work.MESSAGE, b"{}", ()
        try:
            _, request, memory = work.received(call)
            if "turn" in request:
                text = self._turn(request["turn"], memory, call)
            elif "end" in request:
                self._end()
            else:
                text, data = self._answer(request, memory[:request["size"]], Exchange(call))
        except Gone:
            pass
        except BaseException as e:
            kind, text, data = work.ERROR, work.failure(e), ()
        run._join()
        run._flush()
        call(work.frame(kind, text, data))

    def _answer(self, request, memory, exchange):
        if self.protocol == "wsgi":
            return wsgi(self.application, request, memory, exchange)
        one = Request(request, memory, exchange, self.lifespan.state)
        return self.loop.run_until_complete(one.run(self.application))

    def _turn(self, events, memory, call):
        """A turn of the WebSockets."""
        if self.sockets is None:
            from .websocket import Sockets

            self.sockets = Sockets(self.application, self.loop, self.lifespan.state)
        return self.sockets.turn(events, memory, call)

    def _end(self):
        if self.loop is not None:
            self.loop.run_until_complete(self.lifespan.shutdown())


class _Nobody:
    """A host that has one request, and takes whatever is answered."""

    def __init__(self, request):
        self.request = request

    def __call__(self, message):
        if message == work.HEAD + work.NEXT:
            return self.request
        return b"\0"


# WSGI: PEP 3333


def wsgi(application, request, memory, exchange):
    """The answer of an application: JSON and pieces of a body, or nothing after it went over the door."""
    environ = dict(request["environ"])  # the application's own
    if request.get("more"):
        body = io.BufferedReader(Body(memory, exchange), 64 << 10)
    else:
        body = io.BytesIO(memory)
    environ["wsgi.input"] = body
    environ["wsgi.errors"] = sys.stderr
    environ["wsgi.version"] = (1, 0)
    environ["wsgi.multithread"] = environ["wsgi.run_once"] = False
    environ["wsgi.multiprocess"] = environ["wsgi.input_terminated"] = True
    environ["SCRIPT_NAME"] = request.get("root", "")
    said = Start(exchange)
    result = application(environ, said)
    try:
        return _pieces(result, said, exchange)
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()


class Start:
    """start_response."""

    def __init__(self, exchange):
        self.exchange, self.status, self.headers = exchange, None, None

    def __call__(self, status, headers, exc_info=None):
        if exc_info is not None:
            try:
                if self.exchange.begun:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.status is not None:
            raise AssertionError("start_response was called before")
        self.status, self.headers = int(status[:3]), list(headers)
        return self.write

    def write(self, data):
        """One more piece, at once."""
        if self.exchange.begun:
            self.exchange.ask(b"w", data)
        else:
            self.exchange.begin(self.status, self.headers, data)

    def length(self):
        """What the answer says of how long it is; -1: nothing."""
        for name, value in self.headers:
            if name.lower() == "content-length":
                return int(value)
        return -1


WHOLE = 512 << 10  # bytes of an answer that is not sent in pieces


def _pieces(result, said, exchange):
    """What the application gives, as it gives it."""
    if isinstance(result, (list, tuple)):
        pieces, whole = result, True
        if said.status is not None and not exchange.begun and sum(map(len, pieces)) <= WHOLE:
            return _head(said.status, said.headers), pieces
    for piece in result:
        if not piece:
            continue
        if said.status is None:
            raise AssertionError("the application gave a body before start_response")
        if not exchange.begun and len(piece) == said.length() <= WHOLE:
            for _ in result:  # what it does after its last piece
                pass
            return _head(said.status, said.headers), [piece]
        said.write(piece)
    if said.status is None:
        raise AssertionError("the application did not call start_response")
    if exchange.begun:
        return b"{}", ()
    return _head(said.status, said.headers), ()


# ASGI: version 3 of its specification


class Request:
    """One request of an application: its scope, receive and send."""

    def __init__(self, request, memory, exchange, state):
        scope = dict(request["scope"])
        scope["asgi"] = {"version": "3.0", "spec_version": "2.3"}
        for name in ("raw_path", "query_string"):
            scope[name] = scope[name].encode("latin-1")
        scope["headers"] = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in scope["headers"]]
        scope["client"], scope["server"] = tuple(scope["client"]), tuple(scope["server"])
        scope["root_path"] = request.get("root", "")
        if state is not None:
            scope["state"] = state.copy()
        self.scope, self.exchange = scope, exchange
        self.first, self.more = bytes(memory), bool(request.get("more"))
        self.received = False
        self.status = None
        self.gone = None  # an event, when somebody waits for the client to leave

    async def run(self, application):
        """The application's answer."""
        await application(self.scope, self.receive, self.send)
        if not self.exchange.ended:
            if self.status is None:
                raise RuntimeError("the application returned without an answer")
            if not self.exchange.begun:
                self.exchange.begin(self.status, self.headers, b"")
        return b"{}", ()

    async def receive(self):
        """A piece of the body; after the last one, that the client has left."""
        if not self.received:
            self.received = True
            return {"type": "http.request", "body": self.first, "more_body": self.more}
        if self.more:
            data = self.exchange.read(MOST)
            self.more = bool(data)
            return {"type": "http.request", "body": data, "more_body": self.more}
        if not self.exchange.ended:
            import asyncio

            self.gone = self.gone or asyncio.Event()
            await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        """The head of the answer, and pieces of its body."""
        kind = message["type"]
        if kind == "http.response.start":
            if self.status is not None:
                raise RuntimeError("the answer has begun")
            self.status = message["status"]
            self.headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in message.get("headers", ())]
        elif kind == "http.response.body":
            if self.status is None or self.exchange.ended:
                raise RuntimeError("a body of no answer")
            self._body(message.get("body", b""), message.get("more_body", False))
        else:
            raise RuntimeError("the server does not know %r" % kind)

    def _body(self, data, more):
        try:
            if not self.exchange.begun:
                if not more and not any(n.lower() == "content-length" for n, _ in self.headers):
                    self.headers.append(("content-length", str(len(data))))
                self.exchange.begin(self.status, self.headers, data)
            elif data:
                self.exchange.ask(b"w", bytes(data))
            if not more:
                self.exchange.end()
        except Gone:
            self.exchange.ended = True
            if self.gone is None:
                raise
        if self.exchange.ended and self.gone is not None:
            self.gone.set()


class Lifespan:
    """Tells an application when requests begin, and when they have ended."""

    def __init__(self, application):
        self.application, self.state, self.task = application, {}, None

    async def startup(self):
        """Requests begin. An application that knows nothing of it is left alone."""
        import asyncio

        self.inbox, self.done = asyncio.Queue(), asyncio.Event()
        self.failed = None
        self.inbox.put_nowait({"type": "lifespan.startup"})
        self.task = asyncio.ensure_future(self._run())
        await self.done.wait()
        if self.failed is not None:
            raise Unfit("the application did not start: %s" % self.failed)

    async def _run(self):
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self.application(scope, self.inbox.get, self._send)
        except Exception:
            self.state = None  # it has none
        finally:
            self.task = None
            self.done.set()

    async def _send(self, message):
        if message["type"].endswith(".failed"):
            self.failed = message.get("message") or "it does not say why"
        self.done.set()

    async def shutdown(self):
        """Requests have ended."""
        if self.task is not None:
            self.done.clear()
            self.inbox.put_nowait({"type": "lifespan.shutdown"})
            await self.done.wait()


def _asgi3(application):
    """Whether an application is called once for a request, as since ASGI 3."""
    import inspect

    if inspect.isclass(application):
        return False
    call = application if inspect.isfunction(application) else getattr(application, "__call__", application)
    return inspect.iscoroutinefunction(call) or not inspect.isfunction(application)


def _double(application):
    """An application of ASGI 2, called as one of ASGI 3."""
    async def called(scope, receive, send):
        await application(scope)(receive, send)

    return called


def _inline():
    """Have anyio's worker threads do their work at once: there is one thread."""
    if "anyio" not in sys.modules:
        return
    try:
        from anyio._backends import _asyncio as backend
    except ImportError:
        return

    async def run_sync_in_worker_thread(cls, func, args, abandon_on_cancel=False, limiter=None):
        await cls.checkpoint()
        import contextvars

        return contextvars.copy_context().run(func, *args)

    backend.AsyncIOBackend.run_sync_in_worker_thread = classmethod(run_sync_in_worker_thread)


# How an application is found


def _import(target):
    """MODULE:NAME, as gunicorn and uvicorn write it; NAME may be a call without arguments."""
    import importlib

    module, _, name = target.partition(":")
    found = importlib.import_module(module)
    call = name.endswith("()")
    for part in (name.removesuffix("()") or "application").split("."):
        found = getattr(found, part)
    return found() if call else found


def _factory(target):
    return _import(target)()


def _flask(target):
    """What flask --app TARGET run finds."""
    from flask.cli import ScriptInfo

    return ScriptInfo(app_import_path=target or None, set_debug_flag=False).load_app()


def _django(target):
    """What manage.py runserver serves; TARGET is the path of manage.py."""
    import runpy

    from django.core import management

    caught = []
    plain, management.execute_from_command_line = management.execute_from_command_line, caught.append
    sys.argv = [target, "runserver"]
    try:
        runpy.run_path(target, run_name="__main__")
    finally:
        management.execute_from_command_line = plain
    import django
    from django.conf import settings
    from django.core.servers.basehttp import get_internal_wsgi_application

    django.setup()
    application = get_internal_wsgi_application()
    if settings.DEBUG and "django.contrib.staticfiles" in settings.INSTALLED_APPS:
        from django.contrib.staticfiles.handlers import StaticFilesHandler

        application = StaticFilesHandler(application)
    return application


FINDERS = {"import": _import, "factory": _factory, "flask": _flask, "django": _django}
