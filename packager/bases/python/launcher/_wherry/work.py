"""One request of a worker: the host calls, the program answers, as often as wanted.

What goes over the door is described in runtime/workerframe.go of the host.
"""
import json

from . import convert, ending, predict, tensors

HEAD = b"\0wherry\1"  # of a message of ours, with its version
NEXT, REQUEST, ANSWER, ERROR, MESSAGE, PART = b"n", b"r", b"a", b"e", b"m", b"p"
_last = [b"", None]  # the JSON of the last request, as text and as what it says
TRACEBACK = 16 << 10  # characters of a traceback that are told


def serve(state, call):
    """Fetch a request, have it done, and tell what came of it; call is the door."""
    kind, text, data = ANSWER, b"", ()
    try:
        kind, request, memory = received(call)
        if kind == MESSAGE:
            text, data = reply(state.predictor, request, memory, call)
        else:
            kind, text = ANSWER, answer(state.predictor, request)
    except BaseException as e:
        kind, text, data = ERROR, failure(e), ()
    ending.join()
    ending.flush()
    call(frame(kind, text, data))


def received(call):
    """What the host wants done: its kind, JSON, and the memory behind it."""
    message = call(HEAD + NEXT)
    start = len(HEAD) + 5
    end = start + int.from_bytes(message[start - 4:start], "little")
    kind = message[start - 5:start - 4]
    if not message.startswith(HEAD) or end > len(message) or kind not in (REQUEST, MESSAGE) \
            or kind == REQUEST and end != len(message):
        raise predict.Misuse("a request of another version")
    text = message[start:end]
    try:
        if text != _last[0]:  # requests of one kind have one head
            _last[:] = text, json.loads(text.decode())
        return kind, _last[1], memoryview(message)[end:]
    except ValueError as e:
        raise predict.Misuse("the request is no JSON: %s" % e) from None


def reply(p, request, memory, call):
    """The answer to a request of tensors, as JSON and the pieces of what is behind it; its parts are told at once."""
    if "describe" in request:
        return json.dumps(p.document(), separators=(",", ":")).encode(), ()
    given, tables = {}, {}
    for spec, t in tensors.split(request["inputs"], memory):
        if "column" in spec:
            tables.setdefault(spec["name"], {})[spec["column"]] = t
        else:
            given[spec["name"]] = t
    result = p.asked(given, tables)
    wanted, like = request.get("outputs"), request.get("like")
    if "stream" not in request:
        return told(p, p.form.answers(result, wanted, like))
    values = predict.values(result)
    try:
        for value in values:
            part = told(p, p.form.answers(value, wanted, like))
            ending.flush()
            if call(frame(PART, *part)):  # nobody wants more
                break
    finally:
        values.close()
    return b'{"outputs":[]}', ()


def told(p, answers):
    """Outputs as JSON and the pieces of what is behind it."""
    text = ",".join(['{"name":%s,"datatype":"%s","shape":[%s],"size":%d}' % (
        p.form.quoted[name], t.type, ",".join(map(str, t.shape)), tensors.size(t.data)) for name, t in answers])
    return ('{"outputs":[%s]}' % text).encode(), [t.data for _, t in answers]


def message(p, case):
    """The message of a case, an object of values, as the host would send it."""
    specs, pieces = [], []
    for name, t in p.form.parse(case).items():
        data = bytes(t.data)
        specs.append({"name": name, "datatype": t.type, "shape": t.shape, "size": len(data)})
        pieces += [data, bytes(-len(data) % tensors.ALIGN)]
    head = json.dumps({"inputs": specs, "stream": True} if p.form.streams else {"inputs": specs}).encode()
    return frame(MESSAGE, head + b" " * (-(len(HEAD) + 5 + len(head)) % tensors.ALIGN), pieces)


def answer(p, request):
    """What predict says of a list of words or an object of values, as one line of JSON."""
    if isinstance(request, list) and all(isinstance(w, str) for w in request):
        positional, named = p.bind(request)
    elif isinstance(request, dict):
        positional, named = (), request
    else:
        raise predict.Misuse("a list of words is wanted, or an object of values")
    return convert.line(p.whole(p.called(positional, named))).encode()


def refuse(e, call):
    """Tell why there is no worker."""
    ending.flush()
    call(frame(ERROR, failure(e)))


def frame(kind, text, data=()):
    """A message: its kind, JSON, and pieces of memory behind it."""
    return b"".join((HEAD, kind, len(text).to_bytes(4, "little"), text, *data))


def fetch(call):
    """Who the program is from now on: JSON."""
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
    while tb is not None and tb.tb_frame.f_code.co_filename.startswith(ending.OURS):
        tb = tb.tb_next
    try:
        lines = "".join(traceback.format_exception(kind, e, tb))
    except Exception:
        lines = ""
    told = {"type": name, "message": message[:TRACEBACK], "traceback": lines[-TRACEBACK:],
            "misuse": isinstance(e, predict.Misuse), "anew": getattr(e, "anew", False) is True, "argument": getattr(e, "argument", "") or ""}
    return json.dumps(told).encode()
