"""Connections: over a socket's own, and such as the program carries the bytes of."""
import base64
import errno
import os
import weakref

from _wherry import sockdoor

from .cert import Certificate, decoded
from .data import (CERT_NONE, SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE, SSLError, SSLWantReadError, SSLWantWriteError, failed,
                   unsupported)


class _SSLSocket:
    """One connection."""

    def __init__(self, context, sock, server_side, server_hostname, owner):
        self.context, self.server_side, self.server_hostname = context, server_side, server_hostname
        self._sock, self._owner = weakref.ref(sock), owner and weakref.ref(owner)
        self._begun, self._state, self._leaf = False, None, None
        self.session = self.session_reused = None
        if context._hostname and not server_side and not server_hostname:
            raise ValueError("check_hostname requires server_hostname")

    owner = property(lambda self: self._owner and self._owner(), lambda self, o: setattr(self, "_owner", weakref.ref(o)))

    def _socket(self):
        sock = self._sock()
        if sock is None or sock._fd < 0:
            raise OSError(errno.EBADF, "Underlying socket connection gone")
        return sock

    def do_handshake(self):
        """Have the host shake hands."""
        if self._state is not None:
            return
        sock = self._socket()
        wait = sockdoor.milliseconds(sock._timeout)
        if self._begun:
            told, _ = sockdoor.ask("secured", fd=sock._fd, timeout=wait)
        else:
            told = self._begin(sock, wait)
        number = told.get("errno")
        if number == errno.EINPROGRESS:
            if sock._timeout:
                raise TimeoutError("_ssl.c:1032: The handshake operation timed out")
            raise SSLWantReadError(SSL_ERROR_WANT_READ, "The operation did not complete (read) (_ssl.c:1032)")
        if told.get("failed"):
            raise failed(told["failed"])
        self._state = sockdoor.check(told)["tls"]
        self.session_reused = self._state.get("resumed", False)

    def _begin(self, sock, wait):
        told, _ = self._settled("tls", fd=sock._fd, timeout=wait)
        self._begun = True
        return told

    def _settled(self, op, **said):
        """Say what is wanted; the host may not have the authorities yet."""
        settings = self.context._settings(self.server_side, self.server_hostname)
        for _ in range(len(settings["roots"]) + 1):
            told, data = sockdoor.ask(op, tls=settings, **said)
            if told.get("errno") != errno.ENOENT:
                break
            added, _ = sockdoor.ask("roots", self.context._roots[told["text"]])
            if added.get("failed"):
                raise failed(added["failed"])
        return told, data

    def read(self, size, buffer=None):
        """What has come, inside."""
        self.do_handshake()
        fd = self._socket()._fd
        try:
            if buffer is None:
                return os.read(fd, size)
            view = memoryview(buffer).cast("B")
            return os.readinto(fd, view[:size] if size and size < len(view) else view)
        except BlockingIOError:
            raise self._late("read") from None

    def write(self, data):
        """Send it."""
        self.do_handshake()
        try:
            return os.write(self._socket()._fd, data)
        except BlockingIOError:
            raise self._late("write") from None

    def _late(self, what):
        if self._socket()._timeout:
            return TimeoutError("The %s operation timed out" % what)
        kind, number = (SSLWantReadError, SSL_ERROR_WANT_READ) if what == "read" else (SSLWantWriteError, SSL_ERROR_WANT_WRITE)
        return kind(number, "The operation did not complete (%s) (_ssl.c:2580)" % what)

    def pending(self):
        """What has come and was not read lies with the host, where poll sees it."""
        return 0

    def shutdown(self):
        """Say that nothing follows."""
        sock = self._socket()
        sockdoor.ask("shutdown", fd=sock._fd, how=2)
        return sock

    def _chain(self):
        return [base64.b64decode(c) for c in (self._state or {}).get("chain", ())]

    def getpeercert(self, der=False):
        """The peer's certificate."""
        if self._state is None:
            raise ValueError("handshake not done yet")
        chain = self._chain()
        if not chain:
            return None
        if der:
            return chain[0]
        if self.context._mode == CERT_NONE:
            return {}
        if self._leaf is None:
            self._leaf = decoded(chain[0])[0]
        return self._leaf

    def get_unverified_chain(self):
        """All that the peer sent."""
        return [Certificate(c) for c in self._chain()]

    get_verified_chain = get_unverified_chain

    def cipher(self):
        """Its name, the version, and its bits."""
        return (self._state["cipher"], self._state["version"], self._state["bits"]) if self._state else None

    def shared_ciphers(self):
        """Those of both sides."""
        return [self.cipher()] if self._state and self.server_side else None

    def version(self):
        """TLSv1.3, say."""
        return self._state["version"] if self._state else None

    def selected_alpn_protocol(self):
        """What both sides speak inside."""
        return (self._state or {}).get("protocol") or None

    def compression(self):
        """There is none."""

    def group(self):
        """The group of keys is the host's."""

    client_sigalg = server_sigalg = uses_ktls_for_send = uses_ktls_for_recv = group

    def get_channel_binding(self, cb_type="tls-unique"):
        """The host does not tell."""
        if cb_type != "tls-unique":
            raise ValueError("'%s' channel binding type not implemented" % cb_type)

    def verify_client_post_handshake(self):
        """No."""
        raise unsupported("post-handshake authentication")


class MemoryBIO:
    """Bytes that wait to be taken."""

    def __init__(self):
        self._data, self._eof = bytearray(), False

    pending = property(lambda self: len(self._data))
    eof = property(lambda self: self._eof and not self._data)

    def read(self, size=-1):
        """What waits, at most so much."""
        n = len(self._data) if size is None or size < 0 else size
        data = bytes(self._data[:n])
        del self._data[:n]
        return data

    def write(self, data):
        """More that waits."""
        if self._eof:
            raise SSLError("cannot write() after write_eof()")
        self._data += data
        return len(data)

    def write_eof(self):
        """That was all."""
        self._eof = True


class _SSLObject(_SSLSocket):
    """TLS whose bytes the program carries: what came goes into one MemoryBIO, what is to go comes out of another."""

    def __init__(self, context, incoming, outgoing, server_side, server_hostname, owner):
        super().__init__(context, incoming, server_side, server_hostname, owner)
        self._incoming, self._outgoing = incoming, outgoing
        self._fd, self._inside, self._over, self._wrong = -1, bytearray(), False, None

    def __del__(self):
        fd, self._fd = getattr(self, "_fd", -1), -1
        if fd >= 0:
            try:
                os.close(fd)
            except OSError:
                pass

    def _take(self, told, data):
        """What the host told: bytes to be carried, then what was inside of those that came."""
        count = told.get("count", 0)
        self._outgoing.write(data[:count])
        self._inside += data[count:]
        if told.get("failed"):
            self._wrong = failed(told["failed"])
        sockdoor.check(told) if not self._wrong else None
        self._over = not told.get("unread", False)
        if self._state is None and told.get("tls"):
            self._state = told["tls"]
            self.session_reused = self._state.get("resumed", False)

    def _step(self):
        """Bring the host what has come."""
        if self._fd < 0:
            told, data = self._settled("begin")
            self._fd = told.get("fd", -1) if not told.get("errno") else -1
            self._take(told, data)
        if self._fd >= 0 and not self._over:
            end = self._incoming.eof
            came = self._incoming.read(1 << 20)
            if came or end or self._incoming.eof:
                told, data = sockdoor.ask("step", came, fd=self._fd, flags=1 if self._incoming.eof else 0)
                self._take(told, data)

    def do_handshake(self):
        """As far as it goes with what has come."""
        if self._state is None:
            self._step()
        if self._state is None:
            if self._wrong:
                raise self._wrong
            raise SSLWantReadError(SSL_ERROR_WANT_READ, "The operation did not complete (read) (_ssl.c:1032)")

    def read(self, size, buffer=None):
        """What has come, inside; nothing at the end."""
        self.do_handshake()
        while not self._inside and not self._over and (self._incoming.pending or self._incoming.eof):
            self._step()
        if not self._inside:
            if self._wrong:
                raise self._wrong
            if not self._over:
                raise SSLWantReadError(SSL_ERROR_WANT_READ, "The operation did not complete (read) (_ssl.c:2580)")
        size = size if buffer is None else min(size or len(buffer), len(buffer))
        data = bytes(self._inside[:size])
        del self._inside[:size]
        if buffer is None:
            return data
        memoryview(buffer).cast("B")[:len(data)] = data
        return len(data)

    def write(self, data):
        """Seal it, to be carried."""
        self.do_handshake()
        data = memoryview(data).cast("B")
        for at in range(0, len(data), 1 << 20):
            self._take(*sockdoor.ask("seal", bytes(data[at:at + (1 << 20)]), fd=self._fd))
        if self._wrong:
            raise self._wrong
        return len(data)

    def pending(self):
        """What has come, inside, and was not read."""
        return len(self._inside)

    def shutdown(self):
        """Say that nothing follows; done when the other side has said so, too."""
        if self._state is not None and self._fd >= 0:
            over = self._over
            self._take(*sockdoor.ask("finish", fd=self._fd))
            self._over = over
            self._step()
            if not self._over:
                raise SSLWantReadError(SSL_ERROR_WANT_READ, "The operation did not complete (read) (_ssl.c:2799)")
