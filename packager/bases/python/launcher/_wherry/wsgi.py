"""Applications of WSGI: PEP 3333."""
import io
import sys

from .exchange import Body, head


class Gateway:
    """Calls an application."""

    def __init__(self, application):
        self.application = application

    def startup(self):
        """Requests begin, of which an application is not told."""

    def answer(self, request, memory, exchange):
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
        result = self.application(environ, said)
        try:
            return _pieces(result, said, exchange)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def shutdown(self):
        """Requests have ended."""


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
            return head(said.status, said.headers), pieces
    for piece in result:
        if not piece:
            continue
        if said.status is None:
            raise AssertionError("the application gave a body before start_response")
        if not exchange.begun and len(piece) == said.length() <= WHOLE:
            for _ in result:  # what it does after its last piece
                pass
            return head(said.status, said.headers), [piece]
        said.write(piece)
    if said.status is None:
        raise AssertionError("the application did not call start_response")
    if exchange.begun:
        return b"{}", ()
    return head(said.status, said.headers), ()
