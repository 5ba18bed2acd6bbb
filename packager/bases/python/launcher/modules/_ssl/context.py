"""A context: what connections are to be."""
import os

from .cert import blocks, decoded
from .data import *  # noqa: F403
from .sock import _SSLObject, _SSLSocket


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
            raise unsupported("sni_callback")
        self._sni = None

    sni_callback = property(lambda self: self._sni, _set_sni)

    def _set_message(self, callback):
        if callback is not None:
            raise unsupported("_msg_callback")

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
            raise unsupported("a key with a password")
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
        ders = [d for data in self._roots.values() for d in blocks(data.decode("latin-1"))]
        return ders if binary_form else [decoded(d)[0] for d in ders]

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
