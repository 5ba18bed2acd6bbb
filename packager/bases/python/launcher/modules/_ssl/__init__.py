"""TLS that ends in the host: what the library's module ssl stands on.

A context says what is wanted; the host shakes hands over the socket's connection, and
from then on the descriptor reads and writes what is inside. See wasi/sock/tls.go of
the host.
"""
import _socket  # noqa: F401 - first, for its patch is what follows of it
import os

from .cert import Certificate, _test_decode_cert  # noqa: F401
from .context import _SSLContext
from .data import *  # noqa: F401, F403
from .data import _DEFAULT_CIPHERS, _OPENSSL_API_VERSION  # noqa: F401
from .data import SSLCertVerificationError, SSLEOFError, SSLError, SSLSyscallError, SSLWantReadError, SSLWantWriteError, SSLZeroReturnError
from .sock import MemoryBIO, _SSLObject, _SSLSocket

RAND_bytes = os.urandom


def RAND_status():
    """Whether there is randomness: always."""
    return True


def RAND_add(data, entropy):
    """More of it is not needed."""


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


class SSLSession:
    """The host keeps them."""

    has_ticket, id, ticket_lifetime_hint, time, timeout = False, b"", 0, 0, 0


for _class in (SSLError, SSLCertVerificationError, SSLEOFError, SSLSyscallError, SSLWantReadError, SSLWantWriteError, SSLZeroReturnError):
    _class.__module__ = "ssl"  # as the interpreter's own have it
for _class in (Certificate, MemoryBIO, SSLSession, _SSLContext, _SSLObject, _SSLSocket):
    _class.__module__ = "_ssl"
