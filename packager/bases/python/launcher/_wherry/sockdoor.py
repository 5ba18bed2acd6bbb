"""What is said over the door of sockets: described in wasi/sock/door.go of the host."""
import errno
import json
import os

HEAD = b"\0sock\1"


def ask(op, data=b"", **said):
    """One message over the door: what the host told, and the bytes behind it."""
    import _host

    said["op"] = op
    text = json.dumps(said, separators=(",", ":")).encode()
    try:
        told = _host.call(b"".join((HEAD, len(text).to_bytes(4, "little"), text, data)))
    except Exception:
        raise OSError(errno.ENOSYS, "there are no sockets on this host") from None
    end = 4 + int.from_bytes(told[:4], "little")
    return json.loads(told[4:end]), told[end:]


def failure(told):
    """What the host told as the exception that programs know."""
    number = told["errno"]
    return OSError(number, told.get("text") or os.strerror(number))


def check(told):
    """Raise what went wrong."""
    if told.get("errno"):
        raise failure(told)
    return told


def milliseconds(timeout):
    """A time-out as the host has it."""
    return -1 if timeout is None else max(1, int(timeout * 1000 + 0.999)) if timeout > 0 else 0
