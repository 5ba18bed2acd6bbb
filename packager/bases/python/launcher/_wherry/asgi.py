"""Applications of ASGI: version 3 of its specification, and those of version 2."""
import sys

from .exchange import MOST, Gone
from .program import Unfit


class Gateway:
    """Calls an application, in an event loop of its own."""

    def __init__(self, application):
        _inline()
        self.application = application if _asgi3(application) else _double(application)
        self.loop = self.lifespan = self.sockets = None

    def startup(self):
        """Tell the application that requests begin."""
        import asyncio

        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.lifespan = Lifespan(self.application)
        self.loop.run_until_complete(self.lifespan.startup())

    def answer(self, request, memory, exchange):
        """The answer of an application, which has gone over the door."""
        one = Request(request, memory, exchange, self.lifespan.state)
        return self.loop.run_until_complete(one.run(self.application))

    def turn(self, events, memory, call):
        """A turn of the WebSockets."""
        if self.sockets is None:
            from .websocket import Sockets

            self.sockets = Sockets(self.application, self.loop, self.lifespan.state)
        return self.sockets.turn(events, memory, call)

    def shutdown(self):
        """Tell the application that they have ended."""
        if self.loop is not None:
            self.loop.run_until_complete(self.lifespan.shutdown())


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
