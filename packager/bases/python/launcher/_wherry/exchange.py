"""What is said over the door while a request is answered.

What does not fit the message of the answer goes over the door, in messages that begin with
HEAD and a letter:

    r   4 bytes, how much at most       more of the body; nothing: that was all
    a   4 bytes, length of JSON, JSON   begins the answer, with the first piece of its body
    w   bytes                           one more piece
    e                                   the answer is complete; the application goes on

The host answers with a byte, 0, and what was asked for; or 1: the client has gone.
"""
import io
import json

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
        text = head(status, headers)
        self.ask(b"a", len(text).to_bytes(4, "little"), text, body)

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


def head(status, headers):
    """The head of an answer, as the host reads it."""
    return json.dumps({"status": status, "headers": headers}, separators=(",", ":")).encode()
