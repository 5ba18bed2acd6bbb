"""Sockets: the host connects and listens, and gives descriptors to read, write and poll.

The interpreter's own _socket can neither connect nor listen. What it lacks is put
into it here; the module socket of the library stands on that unchanged.
"""
import _socket
import errno
import os
import sys
import time

from . import netdb
from .sockdoor import ask, check, milliseconds

# Options, as the library's programs name them, with Linux's numbers. They are taken,
# remembered and told; a connection of the host's has no use for them.
OPTIONS = {
    "SO_DEBUG": 1, "SO_REUSEADDR": 2, "SO_ERROR": 4, "SO_DONTROUTE": 5, "SO_BROADCAST": 6, "SO_SNDBUF": 7, "SO_RCVBUF": 8,
    "SO_KEEPALIVE": 9, "SO_OOBINLINE": 10, "SO_PRIORITY": 12, "SO_LINGER": 13, "SO_REUSEPORT": 15, "SO_RCVLOWAT": 18,
    "SO_SNDLOWAT": 19, "SO_RCVTIMEO": 20, "SO_SNDTIMEO": 21, "SO_ACCEPTCONN": 30, "SO_PROTOCOL": 38, "SO_DOMAIN": 39,
    "IPV6_UNICAST_HOPS": 16, "IPV6_V6ONLY": 26, "TCP_NODELAY": 1, "TCP_KEEPIDLE": 4, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 6,
    "SOL_IPV6": 41, "MSG_NOSIGNAL": 0x4000, "MSG_DONTWAIT": 0x40, "SOCK_RAW": 3,
    "NI_NUMERICHOST": 1, "NI_NUMERICSERV": 2, "NI_NOFQDN": 4, "NI_NAMEREQD": 8, "NI_DGRAM": 16,
}

_default = [None]  # the time-out of new sockets


class Socket:
    """What the library's socket is made of."""

    __slots__ = ("_fd", "_family", "_type", "_proto", "_timeout", "_options", "_bound", "_told")

    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
        self._fd, self._told = -1, None
        self._options, self._bound = {}, None
        self._timeout = _default[0]
        if fileno is not None:
            if not isinstance(fileno, int) or fileno < 0:
                raise (ValueError if isinstance(fileno, int) else TypeError)("negative file descriptor" if isinstance(fileno, int) else "an integer is required")
            self._fd = fileno
            told = check(ask("local", fd=fileno)[0])
            if family == -1:
                family = _socket.AF_INET6 if ":" in told["host"] else _socket.AF_INET
        self._family = _socket.AF_INET if family == -1 else int(family)
        kind = _socket.SOCK_STREAM if type == -1 else int(type)
        self._type = kind & ~(_socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC)
        self._proto = 0 if proto == -1 else int(proto)
        if self._family not in (_socket.AF_INET, _socket.AF_INET6):
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        if self._type not in (_socket.SOCK_STREAM, _socket.SOCK_DGRAM):
            raise OSError(errno.EPROTONOSUPPORT, os.strerror(errno.EPROTONOSUPPORT))
        if kind & _socket.SOCK_NONBLOCK:
            self._timeout = 0.0
        if fileno is not None:
            self._patience()

    def __del__(self):
        fd = getattr(self, "_fd", -1)
        if fd < 0:
            return
        self._fd = -2
        if sys.meta_path is not None:  # at the end of the program nothing can be imported
            import warnings

            warnings.warn("unclosed %r" % (self,), ResourceWarning, source=self)
        try:
            os.close(fd)
        except OSError:
            pass

    def __repr__(self):
        return "<socket object, fd=%d, family=%d, type=%d, proto=%d>" % (self._fd, self._family, self._type, self._proto)

    # The descriptor is made when it is first needed: a socket that does nothing yet may be kept in a snapshot.

    def _open(self):
        if self._fd == -2:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        if self._fd < 0:
            told = check(ask("open", family=6 if self._family == _socket.AF_INET6 else 4, datagram=self._type == _socket.SOCK_DGRAM)[0])
            self._fd = told.get("fd", 0)
            self._patience()
        return self._fd

    def _patience(self):
        """Tell the host how long to wait."""
        if self._fd < 0:
            return
        os.set_blocking(self._fd, self._timeout != 0)
        wanted = milliseconds(self._timeout)
        if self._timeout != 0 and wanted != (-1 if self._told is None else self._told):
            check(ask("patience", fd=self._fd, timeout=wanted)[0])
            self._told = wanted

    family = property(lambda self: self._family)
    type = property(lambda self: self._type)
    proto = property(lambda self: self._proto)
    timeout = property(lambda self: self._timeout)

    def fileno(self):
        return self._open() if self._fd != -2 else -1

    def detach(self):
        fd = self.fileno()
        self._fd = -2
        return fd

    def close(self):
        fd, self._fd = self._fd, -2
        if fd >= 0:
            os.close(fd)

    def settimeout(self, timeout):
        if timeout is not None:
            timeout = float(timeout)
            if timeout < 0:
                raise ValueError("Timeout value out of range")
        self._timeout = timeout
        self._patience()

    def gettimeout(self):
        return self._timeout

    def setblocking(self, flag):
        self.settimeout(None if flag else 0.0)

    def getblocking(self):
        return self._timeout != 0

    # Addresses

    def _address(self, address, what):
        if not isinstance(address, tuple) or len(address) < 2:
            raise TypeError("%s(): AF_INET address must be tuple, not %s" % (what, address.__class__.__name__))
        host, port = address[:2]
        if not isinstance(port, int):
            raise TypeError("'%s' object cannot be interpreted as an integer" % port.__class__.__name__)
        if not 0 <= port <= 65535:
            raise OverflowError("%s(): port must be 0-65535." % what)
        return netdb.numeric(netdb.text(host), self._family), port

    def _pair(self, told):
        pair = told["host"], told.get("port", 0)
        return pair + (0, 0) if self._family == _socket.AF_INET6 else pair

    def bind(self, address):
        host, port = self._address(address, "bind")
        check(ask("bind", fd=self._open(), host=host, port=port)[0])

    def listen(self, backlog=128):
        check(ask("listen", fd=self._open())[0])

    def _accept(self):
        self._wait("read")
        told = check(ask("accept", fd=self._open())[0])
        fd = told.get("fd", 0)
        peer = ask("remote", fd=fd)[0]
        return fd, self._pair(peer if not peer.get("errno") else {"host": "0.0.0.0"})

    def connect(self, address):
        host, port = self._address(address, "connect")
        told, _ = ask("connect", fd=self._open(), host=host, port=port, timeout=milliseconds(self._timeout))
        if told.get("errno") == errno.EINPROGRESS and self._timeout:
            raise TimeoutError("timed out")
        check(told)

    def connect_ex(self, address):
        try:
            self.connect(address)
        except TimeoutError as e:
            return e.errno or errno.EAGAIN
        except OSError as e:
            if e.errno is None:
                raise
            return e.errno
        return 0

    def getsockname(self):
        return self._pair(check(ask("local", fd=self._open())[0]))

    def getpeername(self):
        return self._pair(check(ask("remote", fd=self._open())[0]))

    # Bytes

    def _wait(self, what):
        """Wait as long as the time-out is."""
        if not self._timeout:
            return
        import select

        p = select.poll()
        p.register(self._open(), select.POLLIN if what == "read" else select.POLLOUT)
        if not p.poll(milliseconds(self._timeout)):
            raise TimeoutError("timed out")

    def _late(self, e):
        """What an operation says that would block."""
        return TimeoutError("timed out") if self._timeout else e

    def recv(self, size, flags=0):
        if size < 0:
            raise ValueError("negative buffersize in recv")
        if flags or self._type == _socket.SOCK_DGRAM:
            return self._receive(size, flags)[0]
        try:
            return os.read(self._open(), size)
        except BlockingIOError as e:
            raise self._late(e) from None

    def recv_into(self, buffer, nbytes=0, flags=0):
        view = memoryview(buffer).cast("B")
        if nbytes < 0 or nbytes > len(view):
            raise ValueError("negative buffersize in recv_into" if nbytes < 0 else "nbytes is greater than the length of the buffer")
        if nbytes:
            view = view[:nbytes]
        if flags or self._type == _socket.SOCK_DGRAM:
            data = self._receive(len(view), flags)[0]
            view[:len(data)] = data
            return len(data)
        try:
            return os.readinto(self._open(), view)
        except BlockingIOError as e:
            raise self._late(e) from None

    def _receive(self, size, flags):
        if flags & OPTIONS["MSG_DONTWAIT"]:
            os.set_blocking(self._open(), False)
        try:
            told, data = ask("receive", fd=self._open(), size=size, flags=flags & 3)
            check(told)
        except BlockingIOError as e:
            raise (e if flags & OPTIONS["MSG_DONTWAIT"] else self._late(e)) from None
        finally:
            if flags & OPTIONS["MSG_DONTWAIT"]:
                os.set_blocking(self._fd, self._timeout != 0)
        return data, self._pair(told) if "host" in told else None

    def recvfrom(self, size, flags=0):
        return self._receive(size, flags)

    def recvfrom_into(self, buffer, nbytes=0, flags=0):
        view = memoryview(buffer).cast("B")
        data, peer = self._receive(min(nbytes or len(view), len(view)), flags)
        view[:len(data)] = data
        return len(data), peer

    def send(self, data, flags=0):
        if self._type == _socket.SOCK_DGRAM:
            return self._send(data)
        try:
            return os.write(self._open(), data)
        except BlockingIOError as e:
            raise self._late(e) from None

    def sendall(self, data, flags=0):
        left = memoryview(data).cast("B")
        deadline = self._timeout and time.monotonic() + self._timeout
        while left:
            left = left[self.send(left, flags):]
            if left and deadline and time.monotonic() > deadline:
                raise TimeoutError("timed out")

    def _send(self, data, **to):
        return check(ask("send", bytes(data), fd=self._open(), **to)[0]).get("count", 0)

    def sendto(self, data, *rest):
        host, port = self._address(rest[-1], "sendto")
        return self._send(data, host=host, port=port)

    def shutdown(self, how):
        check(ask("shutdown", fd=self._open(), how=int(how) + 1 if SHUT_FROM_ZERO else int(how))[0])

    # Options

    def setsockopt(self, level, name, value=None, optlen=None):
        if optlen is None and value is None:
            raise TypeError("socket.setsockopt() takes a value")
        self._options[int(level), int(name)] = value

    def getsockopt(self, level, name, buflen=0):
        value = self._option(int(level), int(name))
        if buflen:
            return value if isinstance(value, bytes) else int(value).to_bytes(4, "little")[:buflen]
        return int.from_bytes(value[:4], "little") if isinstance(value, (bytes, bytearray)) else value

    def _option(self, level, name):
        if level == _socket.SOL_SOCKET:
            if name == _socket.SO_TYPE:
                return self._type
            if name == OPTIONS["SO_ERROR"]:
                return ask("error", fd=self._open())[0].get("errno", 0)
            if name == OPTIONS["SO_DOMAIN"]:
                return self._family
            if name == OPTIONS["SO_PROTOCOL"]:
                return self._proto
            if name in (OPTIONS["SO_SNDBUF"], OPTIONS["SO_RCVBUF"]):
                return 64 << 10
        return self._options.get((level, name), 0)


SHUT_FROM_ZERO = _socket.SHUT_RD == 0


def getdefaulttimeout():
    """getdefaulttimeout() -> timeout"""
    return _default[0]


def setdefaulttimeout(timeout):
    """setdefaulttimeout(timeout)"""
    if timeout is not None:
        timeout = float(timeout)
        if timeout < 0:
            raise ValueError("Timeout value out of range")
    _default[0] = timeout


def gethostname():
    """gethostname() -> string"""
    return os.environ.get("HOSTNAME") or "localhost"


def socketpair(family=_socket.AF_INET, type=_socket.SOCK_STREAM, proto=0):
    """socketpair([family [, type [, proto]]]) -> (socket object, socket object)"""
    if type & 0xF != _socket.SOCK_STREAM & 0xF:
        raise OSError(errno.EPROTONOSUPPORT, os.strerror(errno.EPROTONOSUPPORT))
    told = check(ask("pair")[0])
    return Socket(family, type, proto, told["fd"]), Socket(family, type, proto, told["count"])


def close(fd):
    """close(integer) -> None"""
    os.close(fd)


def dup(fd):
    """dup(integer) -> integer"""
    return os.dup(fd)


FUNCTIONS = (*netdb.FUNCTIONS, getdefaulttimeout, setdefaulttimeout, gethostname, socketpair, close, dup)


def patch_socket(module):
    """Put what it lacks into the interpreter's _socket."""
    for name, value in OPTIONS.items():
        if not hasattr(module, name):
            setattr(module, name, value)
    Socket.__name__ = Socket.__qualname__ = "socket"
    Socket.__module__ = "_socket"
    module.socket = module.SocketType = Socket
    for function in FUNCTIONS:
        function.__module__ = "_socket"
        setattr(module, function.__name__, function)
