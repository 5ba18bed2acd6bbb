"""TLS that ends in the host: what the library's module ssl stands on.

A context says what is wanted; the host shakes hands over the socket's connection, and
from then on the descriptor reads and writes what is inside. See wasi/sock/tls.go of
the host.
"""
import _socket  # noqa: F401 - first, for its patch is what follows of it
import base64
import errno
import os
import weakref

from _wherry import sockets as _sockets

OPENSSL_VERSION = "OpenSSL 3.5.0 (Wherry: TLS of the host)"
OPENSSL_VERSION_INFO = _OPENSSL_API_VERSION = (3, 5, 0, 0, 0)
OPENSSL_VERSION_NUMBER = 0x30500000
_DEFAULT_CIPHERS = "@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM"

HAS_SNI = HAS_ECDH = HAS_ALPN = HAS_TLSv1_2 = HAS_TLSv1_3 = True
HAS_NPN = HAS_SSLv2 = HAS_SSLv3 = HAS_TLSv1 = HAS_TLSv1_1 = HAS_PSK = HAS_PSK_TLS13 = HAS_PHA = False

PROTOCOL_TLS = PROTOCOL_SSLv23 = 2
PROTOCOL_TLSv1, PROTOCOL_TLSv1_1, PROTOCOL_TLSv1_2, PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER = 3, 4, 5, 16, 17
CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED = 0, 1, 2
PROTO_MINIMUM_SUPPORTED, PROTO_MAXIMUM_SUPPORTED = -2, -1
PROTO_SSLv3, PROTO_TLSv1, PROTO_TLSv1_1, PROTO_TLSv1_2, PROTO_TLSv1_3 = 0x300, 0x301, 0x302, 0x303, 0x304

OP_ALL = 0x80000050
OP_NO_SSLv2, OP_NO_SSLv3, OP_NO_TLSv1, OP_NO_TLSv1_1, OP_NO_TLSv1_2, OP_NO_TLSv1_3 = 0, 1 << 25, 1 << 26, 1 << 28, 1 << 27, 1 << 29
OP_CIPHER_SERVER_PREFERENCE, OP_SINGLE_DH_USE, OP_SINGLE_ECDH_USE = 1 << 22, 0, 0
OP_NO_TICKET, OP_NO_COMPRESSION, OP_NO_RENEGOTIATION = 1 << 14, 1 << 17, 1 << 30
OP_ENABLE_MIDDLEBOX_COMPAT, OP_IGNORE_UNEXPECTED_EOF, OP_LEGACY_SERVER_CONNECT, OP_ENABLE_KTLS = 1 << 20, 1 << 7, 1 << 2, 1 << 3

VERIFY_DEFAULT, VERIFY_CRL_CHECK_LEAF, VERIFY_CRL_CHECK_CHAIN, VERIFY_X509_STRICT = 0, 4, 12, 32
VERIFY_ALLOW_PROXY_CERTS, VERIFY_X509_TRUSTED_FIRST, VERIFY_X509_PARTIAL_CHAIN = 64, 1 << 15, 1 << 19
HOSTFLAG_ALWAYS_CHECK_SUBJECT, HOSTFLAG_NEVER_CHECK_SUBJECT = 1, 32
HOSTFLAG_NO_WILDCARDS, HOSTFLAG_NO_PARTIAL_WILDCARDS, HOSTFLAG_MULTI_LABEL_WILDCARDS, HOSTFLAG_SINGLE_LABEL_SUBDOMAINS = 2, 4, 8, 16
ENCODING_PEM, ENCODING_DER = 1, 2

(SSL_ERROR_SSL, SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE, SSL_ERROR_WANT_X509_LOOKUP, SSL_ERROR_SYSCALL,
 SSL_ERROR_ZERO_RETURN, SSL_ERROR_WANT_CONNECT, SSL_ERROR_EOF, SSL_ERROR_INVALID_ERROR_CODE) = range(1, 10)

for _name, _number in {
        "CLOSE_NOTIFY": 0, "UNEXPECTED_MESSAGE": 10, "BAD_RECORD_MAC": 20, "RECORD_OVERFLOW": 22, "DECOMPRESSION_FAILURE": 30,
        "HANDSHAKE_FAILURE": 40, "BAD_CERTIFICATE": 42, "UNSUPPORTED_CERTIFICATE": 43, "CERTIFICATE_REVOKED": 44, "CERTIFICATE_EXPIRED": 45,
        "CERTIFICATE_UNKNOWN": 46, "ILLEGAL_PARAMETER": 47, "UNKNOWN_CA": 48, "ACCESS_DENIED": 49, "DECODE_ERROR": 50, "DECRYPT_ERROR": 51,
        "PROTOCOL_VERSION": 70, "INSUFFICIENT_SECURITY": 71, "INTERNAL_ERROR": 80, "USER_CANCELLED": 90, "NO_RENEGOTIATION": 100,
        "UNSUPPORTED_EXTENSION": 110, "CERTIFICATE_UNOBTAINABLE": 111, "UNRECOGNIZED_NAME": 112, "BAD_CERTIFICATE_STATUS_RESPONSE": 113,
        "BAD_CERTIFICATE_HASH_VALUE": 114, "UNKNOWN_PSK_IDENTITY": 115}.items():
    globals()["ALERT_DESCRIPTION_" + _name] = _number

RAND_bytes = os.urandom


def RAND_status():
    """Whether there is randomness: always."""
    return True


def RAND_add(data, entropy):
    """More of it is not needed."""


class SSLError(OSError):
    """An error in the SSL implementation."""

    library = reason = None

    def __str__(self):
        return str(self.args[1] if len(self.args) > 1 else self.args[0]) if self.args else ""


class SSLZeroReturnError(SSLError):
    """SSL/TLS session closed cleanly."""


class SSLWantReadError(SSLError):
    """Non-blocking SSL socket needs to read more data before the requested operation can be completed."""


class SSLWantWriteError(SSLError):
    """Non-blocking SSL socket needs to write more data before the requested operation can be completed."""


class SSLSyscallError(SSLError):
    """System error when attempting SSL operation."""


class SSLEOFError(SSLError):
    """SSL/TLS connection terminated abruptly."""


class SSLCertVerificationError(SSLError, ValueError):
    """A certificate could not be verified."""

    verify_code = verify_message = None


def _failed(told):
    """The exception for a failure that the host tells."""
    reason, text, number = told["reason"], told["text"], told.get("verify", 0)
    if number:
        e = SSLCertVerificationError(1, "[SSL: %s] certificate verify failed: %s (_ssl.c:1032)" % (reason, text))
        e.verify_code, e.verify_message = number, text
    elif told.get("eof"):
        e = SSLEOFError(SSL_ERROR_EOF, "[SSL: %s] %s (_ssl.c:1032)" % (reason, text))
    else:
        e = SSLError(1, "[SSL: %s] %s (_ssl.c:1032)" % (reason, text))
    e.library, e.reason = "SSL", reason
    return e


def _unsupported(what):
    return NotImplementedError("%s: TLS ends in the host here, which does not offer that" % what)


_OIDS = {"1.3.6.1.5.5.7.3.1": (129, "serverAuth", "TLS Web Server Authentication"),
         "1.3.6.1.5.5.7.3.2": (130, "clientAuth", "TLS Web Client Authentication")}


def txt2obj(txt, name=False):
    """Lookup NID, short name, long name and OID of an ASN1_OBJECT."""
    for oid, (nid, short, long) in _OIDS.items():
        if txt == oid or name and txt in (short, long):
            return nid, short, long, oid
    raise ValueError("unknown object %r" % txt[:100])


def nid2obj(nid):
    """Lookup NID, short name, long name and OID of an ASN1_OBJECT by NID."""
    for oid, (number, short, long) in _OIDS.items():
        if number == nid:
            return nid, short, long, oid
    raise ValueError("unknown NID %d" % nid)


def get_default_verify_paths():
    """Where OpenSSL would look; the host knows its authorities without."""
    return "SSL_CERT_FILE", "/etc/ssl/cert.pem", "SSL_CERT_DIR", "/etc/ssl/certs"


def get_sigalgs():
    """The algorithms of signatures."""
    return ["ecdsa_secp256r1_sha256", "ed25519", "rsa_pss_rsae_sha256", "rsa_pkcs1_sha256"]


def _certificate(der):
    """What getpeercert says of a certificate."""
    c = _sockets.check(_sockets.ask("certificate", der)[0])["certificate"]
    said = {"subject": tuple((tuple(p),) for p in c["subject"]), "issuer": tuple((tuple(p),) for p in c["issuer"]),
            "version": c["version"], "serialNumber": c["serial"], "notBefore": c["notBefore"], "notAfter": c["notAfter"]}
    for name, key in (("subjectAltName", "names"), ("OCSP", "ocsp"), ("caIssuers", "issuers"), ("crlDistributionPoints", "crls")):
        if c.get(key):
            said[name] = tuple(tuple(v) if isinstance(v, list) else v for v in c[key])
    return said, c.get("authority", False)


def _test_decode_cert(path):
    """The certificate in a file of PEM."""
    with open(path) as f:
        return _certificate(_blocks(f.read())[0])[0]


def _blocks(text):
    """The certificates of a text in PEM, as DER."""
    found = []
    for part in text.split("-----BEGIN CERTIFICATE-----")[1:]:
        found.append(base64.b64decode(part.partition("-----END")[0]))
    return found


class Certificate:
    """A certificate of a peer."""

    def __init__(self, der):
        self._der = der

    def public_bytes(self, format=ENCODING_PEM):
        """It, as PEM or DER."""
        if format == ENCODING_DER:
            return self._der
        text = base64.encodebytes(self._der).decode().replace("\n", "")
        lines = "\n".join(text[i:i + 64] for i in range(0, len(text), 64))
        return "-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n" % lines

    def get_info(self):
        """What it says."""
        return _certificate(self._der)[0]


class _SSLContext:
    """What connections are to be."""

    def __new__(cls, protocol=PROTOCOL_TLS):
        if protocol not in (PROTOCOL_TLS, PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER, PROTOCOL_TLSv1, PROTOCOL_TLSv1_1, PROTOCOL_TLSv1_2):
            raise ValueError("invalid or unsupported protocol version")
        self = super().__new__(cls)
        self._protocol = protocol
        client = protocol == PROTOCOL_TLS_CLIENT
        self._mode, self._hostname = (CERT_REQUIRED if client else CERT_NONE), client
        self._options = OP_ALL | OP_NO_SSLv3 | OP_CIPHER_SERVER_PREFERENCE | OP_NO_COMPRESSION | OP_ENABLE_MIDDLEBOX_COMPAT | OP_IGNORE_UNEXPECTED_EOF
        self._flags, self._min, self._max = VERIFY_X509_TRUSTED_FIRST, PROTO_TLSv1_2, PROTO_MAXIMUM_SUPPORTED
        self._system, self._roots, self._list = False, {}, []
        self._cert = self._key = ""
        self._protocols = []
        self._sni = None
        self.post_handshake_auth, self.keylog_filename, self._host_flags = False, None, HOSTFLAG_NO_PARTIAL_WILDCARDS
        self._message = None
        self.num_tickets, self.security_level = 2, 2
        return self

    protocol = property(lambda self: self._protocol)

    def _set_mode(self, value):
        value = int(value)
        if value not in (CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED):
            raise ValueError("invalid value for verify_mode")
        if value == CERT_NONE and self._hostname:
            raise ValueError("Cannot set verify_mode to CERT_NONE when check_hostname is enabled.")
        self._mode = value

    verify_mode = property(lambda self: self._mode, _set_mode)

    def _set_hostname(self, value):
        self._hostname = bool(value)
        if self._hostname and self._mode == CERT_NONE:
            self._mode = CERT_REQUIRED

    check_hostname = property(lambda self: self._hostname, _set_hostname)

    def _set_options(self, value):
        if value < 0:
            raise OverflowError("can't convert negative value to unsigned int")
        self._options = int(value)

    options = property(lambda self: self._options, _set_options)
    verify_flags = property(lambda self: self._flags, lambda self, value: setattr(self, "_flags", int(value)))

    def _version(self, value, allowed):
        value = int(value)
        if value not in allowed:
            raise ValueError("Unsupported TLS/SSL version %#x" % value)
        return value

    _ALL = (PROTO_MINIMUM_SUPPORTED, PROTO_MAXIMUM_SUPPORTED, PROTO_SSLv3, PROTO_TLSv1, PROTO_TLSv1_1, PROTO_TLSv1_2, PROTO_TLSv1_3)
    minimum_version = property(lambda self: self._min, lambda self, v: setattr(self, "_min", self._version(v, self._ALL)))
    maximum_version = property(lambda self: self._max, lambda self, v: setattr(self, "_max", self._version(v, self._ALL)))

    def _set_sni(self, callback):
        if callback is not None:
            raise _unsupported("sni_callback")
        self._sni = None

    sni_callback = property(lambda self: self._sni, _set_sni)

    def _set_message(self, callback):
        if callback is not None:
            raise _unsupported("_msg_callback")

    _msg_callback = property(lambda self: self._message, _set_message)

    def set_ciphers(self, ciphers):
        """Taken: the host has its own, all of them good."""

    set_ciphersuites = set_groups = set_ecdh_curve = set_client_sigalgs = set_server_sigalgs = load_dh_params = set_ciphers

    def get_ciphers(self):
        """Those of TLS 1.3."""
        return [{"name": n, "protocol": "TLSv1.3", "strength_bits": b} for n, b in (
            ("TLS_AES_128_GCM_SHA256", 128), ("TLS_AES_256_GCM_SHA384", 256), ("TLS_CHACHA20_POLY1305_SHA256", 256))]

    def get_groups(self, *, include_aliases=False):
        """The groups of keys."""
        return ["X25519", "secp256r1", "secp384r1"]

    def _set_alpn_protocols(self, data):
        data, self._protocols = bytes(data), []
        while data:
            self._protocols.append(data[1:1 + data[0]].decode("latin-1"))
            data = data[1 + data[0]:]

    def load_cert_chain(self, certfile, keyfile=None, password=None):
        """A certificate of this side, and its key."""
        if password is not None and callable(password):
            password = password()
        with open(certfile) as f:
            self._cert = f.read()
        self._key = self._cert
        if keyfile is not None:
            with open(keyfile) as f:
                self._key = f.read()
        if "ENCRYPTED" in self._key:
            raise _unsupported("a key with a password")
        if "-----BEGIN" not in self._cert or "PRIVATE KEY-----" not in self._key:
            raise SSLError(9, "[SSL] PEM lib (_ssl.c:3905)")

    def load_verify_locations(self, cafile=None, capath=None, cadata=None):
        """Authorities to be trusted."""
        if cafile is None and capath is None and cadata is None:
            raise TypeError("cafile, capath and cadata cannot be all omitted")
        if cafile is not None:
            with open(cafile, "rb") as f:
                self._trust(f.read())
        if capath is not None:
            for name in sorted(os.listdir(capath)):
                path = os.path.join(os.fspath(capath), name)
                if os.path.isfile(path):
                    with open(path, "rb") as f:
                        text = f.read()
                    if b"-----BEGIN CERTIFICATE-----" in text:
                        self._trust(text)
        if cadata is not None:
            if isinstance(cadata, str):
                cadata = cadata.encode("ascii")
            self._trust(bytes(cadata))

    def _trust(self, data):
        """Count what the data has as authorities; the host hears of it when there is a connection."""
        import hashlib

        if b"-----BEGIN" not in data and data[:1] != b"\x30":
            raise SSLError(136, "[X509: NO_CERTIFICATE_OR_CRL_FOUND] no certificate or crl found (_ssl.c:4293)")
        self._roots[hashlib.sha256(data).hexdigest()] = data

    def set_default_verify_paths(self):
        """Trust whom this machine trusts, or whom SSL_CERT_FILE names."""
        own = os.environ.get("SSL_CERT_FILE")
        if own and os.path.exists(own):
            self.load_verify_locations(cafile=own)
        else:
            self._system = True

    def get_ca_certs(self, binary_form=False):
        """Those that were loaded."""
        ders = [d for data in self._roots.values() for d in _blocks(data.decode("latin-1"))]
        return ders if binary_form else [_certificate(d)[0] for d in ders]

    def cert_store_stats(self):
        """How many of them there are."""
        n = sum(max(1, data.count(b"-----BEGIN CERTIFICATE-----")) for data in self._roots.values())
        return {"x509": n, "crl": 0, "x509_ca": n}

    def session_stats(self):
        """The host keeps no sessions."""
        return dict.fromkeys(("number", "connect", "connect_good", "connect_renegotiate", "accept", "accept_good",
                              "accept_renegotiate", "hits", "misses", "timeouts", "cache_full"), 0)

    def _wrap_socket(self, sock, server_side, server_hostname=None, *, owner=None, session=None):
        return _SSLSocket(self, sock, server_side, server_hostname, owner)

    def _wrap_bio(self, incoming, outgoing, server_side, server_hostname=None, *, owner=None, session=None):
        return _SSLObject(self, incoming, outgoing, server_side, server_hostname, owner)

    def _settings(self, server_side, name):
        """What the host is told."""
        low, high = self._min, self._max
        if self._protocol in (PROTOCOL_TLSv1, PROTOCOL_TLSv1_1, PROTOCOL_TLSv1_2):
            low = high = {PROTOCOL_TLSv1: PROTO_TLSv1, PROTOCOL_TLSv1_1: PROTO_TLSv1_1, PROTOCOL_TLSv1_2: PROTO_TLSv1_2}[self._protocol]
        if self._options & OP_NO_TLSv1_3 and high in (PROTO_MAXIMUM_SUPPORTED, PROTO_TLSv1_3):
            high = PROTO_TLSv1_2
        if self._options & OP_NO_TLSv1_2 and low < PROTO_TLSv1_3:
            low = PROTO_TLSv1_3
        return {"server": server_side, "cert": self._cert, "key": self._key, "name": name or "", "verify": self._mode,
                "hostname": self._hostname, "system": self._system, "roots": list(self._roots), "protocols": self._protocols,
                "min": PROTO_TLSv1 if low == PROTO_MINIMUM_SUPPORTED or 0 < low < PROTO_TLSv1 else max(low, 0),
                "max": 0 if high == PROTO_MAXIMUM_SUPPORTED else max(high, 0)}


class SSLSession:
    """The host keeps them."""

    has_ticket, id, ticket_lifetime_hint, time, timeout = False, b"", 0, 0, 0


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
        wait = _sockets.milliseconds(sock._timeout)
        if self._begun:
            told, _ = _sockets.ask("secured", fd=sock._fd, timeout=wait)
        else:
            told = self._begin(sock, wait)
        number = told.get("errno")
        if number == errno.EINPROGRESS:
            if sock._timeout:
                raise TimeoutError("_ssl.c:1032: The handshake operation timed out")
            raise SSLWantReadError(SSL_ERROR_WANT_READ, "The operation did not complete (read) (_ssl.c:1032)")
        if told.get("failed"):
            raise _failed(told["failed"])
        self._state = _sockets.check(told)["tls"]
        self.session_reused = self._state.get("resumed", False)

    def _begin(self, sock, wait):
        told, _ = self._settled("tls", fd=sock._fd, timeout=wait)
        self._begun = True
        return told

    def _settled(self, op, **said):
        """Say what is wanted; the host may not have the authorities yet."""
        settings = self.context._settings(self.server_side, self.server_hostname)
        for _ in range(len(settings["roots"]) + 1):
            told, data = _sockets.ask(op, tls=settings, **said)
            if told.get("errno") != errno.ENOENT:
                break
            added, _ = _sockets.ask("roots", self.context._roots[told["text"]])
            if added.get("failed"):
                raise _failed(added["failed"])
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
        _sockets.ask("shutdown", fd=sock._fd, how=2)
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
            self._leaf = _certificate(chain[0])[0]
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
        raise _unsupported("post-handshake authentication")


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
            self._wrong = _failed(told["failed"])
        _sockets.check(told) if not self._wrong else None
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
                told, data = _sockets.ask("step", came, fd=self._fd, flags=1 if self._incoming.eof else 0)
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
            self._take(*_sockets.ask("seal", bytes(data[at:at + (1 << 20)]), fd=self._fd))
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
            self._take(*_sockets.ask("finish", fd=self._fd))
            self._over = over
            self._step()
            if not self._over:
                raise SSLWantReadError(SSL_ERROR_WANT_READ, "The operation did not complete (read) (_ssl.c:2799)")
