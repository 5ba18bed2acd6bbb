"""The WebSockets of an application of ASGI: all of them in one event loop, a turn at a time.

The host has the connections. It calls, as with any request, with {"turn": [event, ...]}, and the
loop runs until all that is left to do is to wait. An event is of the connection "id": it has
"open", its scope; or the size of a message, "text" or "bytes", of what lies behind the JSON;
or "gone", the code with which it has ended, and a "reason"; or "drained", the client has
taken what was sent. The answer has "next", in how many seconds the loop has something to do by
itself, "took", how many messages were received of which connections, and "over", those
whose coroutines have ended. During a turn there are messages over the door, with a letter and 4
bytes, the number of the connection, as in exchange.py:

    K   4 bytes, length of JSON, JSON       it is accepted: "headers" and "subprotocol"
    D   the same, and a body                it is refused, as an answer with "status"
    T   bytes                               a text
    B   bytes                               bytes
    X   2 bytes, a code, and a reason       the end
    F                                       the coroutine has failed

The host answers 0; 1: the client has gone; or 2: it was taken, the next one has to wait until "drained".
"""
import asyncio
import collections
import json
import sys
import time
import traceback

from .exchange import HEAD, Gone

SPAN = 0.05  # seconds of a turn after which the host is heard, whatever else there is to do
FILES = 0.01  # seconds between two looks at the files that a loop waits for


class Sockets:
    """The connections of an application, and its loop."""

    def __init__(self, application, loop, state):
        self.application, self.loop, self.state = application, loop, state
        self.all, self.took, self.over = {}, {}, []
        self.call = self.next = None
        self.until = 0

    def turn(self, events, memory, call):
        """What happens until the loop would wait."""
        self.call, self.took, self.over, self.next = call, {}, [], None
        at = 0
        for event in events:
            at += self._event(event, memory, at)
        selector = self.loop._selector
        self.until = time.monotonic() + SPAN
        selector.idle = self._idle
        try:
            self.loop.run_forever()
        finally:
            selector.idle = None
        return json.dumps({"next": self.next, "took": list(self.took.items()), "over": self.over}).encode()

    def _idle(self, timeout, files):
        """The loop would wait, or has something to do at once: a timeout of 0."""
        if timeout != 0 or time.monotonic() > self.until:
            self.next = min(FILES, FILES if timeout is None else timeout) if files else timeout
            self.loop.stop()

    def _event(self, event, memory, at):
        """Take note of an event; how many bytes lie behind it."""
        number = event["id"]
        if "open" in event:
            one = self.all[number] = Socket(self, number, event["open"], event.get("root", ""))
            one.task = self.loop.create_task(one.run(self.application))
            return 0
        size = event.get("text", event.get("bytes", 0))
        one = self.all.get(number)
        if one is None:
            return size
        if "text" in event:
            one.arrived({"type": "websocket.receive", "text": str(memory[at:at + size], "utf-8")})
        elif "bytes" in event:
            one.arrived({"type": "websocket.receive", "bytes": bytes(memory[at:at + size])})
        if event.get("drained"):
            one.free.set()
        if "gone" in event:
            one.left(event["gone"], event.get("reason", ""))
        return size

    def ask(self, letter, number, *data):
        """One message over the door; whether the next one has to wait."""
        told = self.call(b"".join((HEAD, letter, number.to_bytes(4, "little"), *data)))
        if told[:1] == b"\1":
            raise Gone("the client has gone")
        return told[:1] == b"\2"


CONNECTING, OPEN, DENIED, CLOSED = range(4)


class Socket:
    """One connection: its scope, receive and send."""

    def __init__(self, sockets, number, scope, root):
        scope["asgi"] = {"version": "3.0", "spec_version": "2.4"}
        for name in ("raw_path", "query_string"):
            scope[name] = scope[name].encode("latin-1")
        scope["headers"] = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in scope["headers"]]
        scope["client"], scope["server"] = tuple(scope["client"]), tuple(scope["server"])
        scope["root_path"] = root
        scope["extensions"] = {"websocket.http.response": {}}
        if sockets.state is not None:
            scope["state"] = sockets.state.copy()
        self.sockets, self.number, self.scope = sockets, number, scope
        self.state, self.gone, self.task = CONNECTING, None, None
        self.inbox = collections.deque([{"type": "websocket.connect"}])
        self.news, self.free = asyncio.Event(), asyncio.Event()
        self.free.set()

    async def run(self, application):
        """What the application does with it, to its end."""
        letter, data = b"X", (1000).to_bytes(2, "little")
        try:
            await application(self.scope, self.receive, self.send)
            if self.state == CONNECTING and self.gone is None:
                letter, data = b"F", b""
                print("the application returned without an answer to a WebSocket", file=sys.stderr)
        except Gone:
            pass
        except Exception as e:
            letter, data = b"F", b""
            traceback.print_exception(e)
        finally:
            sockets = self.sockets
            del sockets.all[self.number]
            sockets.over.append(self.number)
            try:
                sockets.ask(letter, self.number, data)
            except Gone:
                pass

    def arrived(self, message):
        """A message of the client."""
        self.inbox.append(message)
        self.news.set()

    def left(self, code, reason):
        """The client has gone."""
        self.gone = {"type": "websocket.disconnect", "code": code, "reason": reason}
        self.news.set()
        self.free.set()

    async def receive(self):
        """What the client sends; after the last message, that it has gone."""
        while not self.inbox:
            if self.gone is not None:
                return self.gone
            self.news.clear()
            await self.news.wait()
        message = self.inbox.popleft()
        if message["type"] == "websocket.receive":
            took = self.sockets.took
            took[self.number] = took.get(self.number, 0) + 1
        return message

    async def send(self, message):
        """What the application says."""
        kind = message["type"]
        if self.state == CONNECTING:
            self._decide(kind, message)
        elif self.state == DENIED:
            self._denied(kind, message)
        elif self.state == CLOSED:
            raise RuntimeError("%s after the connection was closed" % kind)
        elif kind == "websocket.send":
            await self._message(message)
        elif kind == "websocket.close":
            self._close(message)
        else:
            raise RuntimeError("the connection is open, and %r no message for it" % kind)

    async def _message(self, message):
        data, text = message.get("bytes"), message.get("text")
        while not self.free.is_set():
            await self.free.wait()
        if self.gone is not None:
            raise Gone("the client has gone")
        if text is not None:
            full = self.sockets.ask(b"T", self.number, text.encode())
        else:
            full = self.sockets.ask(b"B", self.number, bytes(data))
        if full:
            self.free.clear()

    def _decide(self, kind, message):
        """The answer to the handshake."""
        if kind == "websocket.accept":
            self.state = OPEN
            self._head(b"K", {"status": 200, "headers": _texts(message), "subprotocol": message.get("subprotocol") or ""})
        elif kind == "websocket.close":
            self._close(message)
        elif kind == "websocket.http.response.start":
            self.state, self.answer, self.body = DENIED, {"status": message["status"], "headers": _texts(message)}, []
        else:
            raise RuntimeError("the connection is neither accepted nor refused, and %r no message for it" % kind)

    def _denied(self, kind, message):
        """The body of an answer that is no WebSocket."""
        if kind != "websocket.http.response.body":
            raise RuntimeError("the connection was refused, and %r is no message for it" % kind)
        self.body.append(bytes(message.get("body", b"")))
        if not message.get("more_body", False):
            self.state = CLOSED
            self._head(b"D", self.answer, *self.body)

    def _close(self, message):
        self.state = CLOSED
        code = message.get("code") or 1000
        self.sockets.ask(b"X", self.number, code.to_bytes(2, "little"), (message.get("reason") or "").encode())

    def _head(self, letter, said, *body):
        head = json.dumps(said).encode()
        self.sockets.ask(letter, self.number, len(head).to_bytes(4, "little"), head, *body)


def _texts(message):
    return [(n.decode("latin-1"), v.decode("latin-1")) for n, v in message.get("headers") or ()]
