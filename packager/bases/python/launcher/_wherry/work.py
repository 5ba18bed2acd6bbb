"""One request of a worker: the host calls, the program answers, as often as wanted.

What goes over the door is described in runtime/workerframe.go of the host.
"""
import json

from . import convert, predict, run

HEAD = b"\0wherry\1"  # of a message of ours, with its version
NEXT, REQUEST, ANSWER, ERROR = b"n", b"r", b"a", b"e"
TRACEBACK = 16 << 10  # characters of a traceback that are told


def serve(state, call):
    """Fetch a request, have it done, and tell what came of it; call is the door."""
    kind, text = ANSWER, b""
    try:
        try:
            request = json.loads(fetch(call))
        except ValueError as e:
            raise predict.Misuse("the request is no JSON: %s" % e) from None
        text = answer(state.predictor, request)
    except BaseException as e:
        kind, text = ERROR, failure(e)
    run._join()
    run._flush()
    call(frame(kind, text))


def answer(p, request):
    """What predict says of a list of words or an object of values, as one line of JSON."""
    if isinstance(request, list) and all(isinstance(w, str) for w in request):
        positional, named = p.bind(request)
    elif isinstance(request, dict):
        positional, named = (), request
    else:
        raise predict.Misuse("a list of words is wanted, or an object of values")
    try:
        result = predict.awaited(p.function(*positional, **named))
    except TypeError:
        try:
            p.signature.bind(*positional, **named)
        except TypeError as e:
            raise predict.Misuse(str(e)) from None
        raise
    return convert.line(result).encode()


def refuse(e, call):
    """Tell why there is no worker."""
    run._flush()
    call(frame(ERROR, failure(e)))


def frame(kind, text, data=b""):
    """A message: its kind, JSON, and bytes behind it."""
    return b"".join((HEAD, kind, len(text).to_bytes(4, "little"), text, data))


def fetch(call):
    """What the host has to say: JSON."""
    message = call(HEAD + NEXT)
    at = len(HEAD) + 5
    end = at + int.from_bytes(message[at - 4:at], "little")
    if message[:at - 4] != HEAD + REQUEST or end != len(message):
        raise predict.Misuse("a request of another version")
    return message[at:end].decode()


def failure(e):
    """An exception as JSON: its class, its text, where it came from, and whose fault it is."""
    import traceback

    kind = type(e)
    name = kind.__qualname__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)
    try:
        message = str(e)
    except Exception:
        message = ""
    tb = e.__traceback__
    while tb is not None and tb.tb_frame.f_code.co_filename.startswith(run.OURS):
        tb = tb.tb_next
    try:
        lines = "".join(traceback.format_exception(kind, e, tb))
    except Exception:
        lines = ""
    told = {"type": name, "message": message[:TRACEBACK], "traceback": lines[-TRACEBACK:],
            "misuse": isinstance(e, predict.Misuse)}
    return json.dumps(told).encode()
