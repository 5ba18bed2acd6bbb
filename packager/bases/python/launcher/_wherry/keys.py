"""Keys derived of passwords, which hashlib has of OpenSSL elsewhere: the host does the long part.

What is said over the door is described in wasi/kdf/kdf.go of the host.
"""
HEAD = b"\0kdf\1"
DIGESTS = {"sha1": 0, "sha224": 1, "sha256": 2, "sha384": 3, "sha512": 4, "md5": 5}
ROUNDS = 1 << 13  # of one message


def patch_hashlib(module):
    """Add what is not there."""
    if not hasattr(module, "pbkdf2_hmac"):
        module.pbkdf2_hmac = pbkdf2_hmac
        module.__all__ += ("pbkdf2_hmac",)
    if not hasattr(module, "scrypt"):
        module.scrypt = scrypt
        module.__all__ += ("scrypt",)


def _ask(letter, numbers, *data):
    import _host

    return _host.call(b"".join((HEAD, letter, *(n.to_bytes(4, "little") for n in numbers), *data)))


def pbkdf2_hmac(hash_name, password, salt, iterations, dklen=None):
    """Password based key derivation function 2 (PKCS #5 v2.0) with HMAC as pseudorandom function."""
    import hmac

    if not isinstance(hash_name, str):
        raise TypeError("hash_name: a str is wanted")
    name = hash_name.lower().replace("-", "")
    if name not in DIGESTS:
        raise ValueError("unsupported hash type " + hash_name)
    password, salt = bytes(memoryview(password)), bytes(memoryview(salt))
    size = hmac.new(password, b"", name).digest_size
    dklen = size if dklen is None else dklen
    if iterations < 1:
        raise ValueError("iteration value must be greater than 0.")
    if dklen < 1:
        raise ValueError("key length must be greater than 0.")
    key = b""
    while len(key) < dklen:
        block = len(key) // size + 1
        u = hmac.new(password, salt + block.to_bytes(4, "big"), name).digest()
        key += _block(name, password, u, iterations - 1)
    return key[:dklen]


def _block(name, password, u, left):
    """A block of a key, of its first u."""
    size, state = len(u), u + u
    while left > 0:
        n = min(left, ROUNDS)
        state = _ask(b"p", (DIGESTS[name], n, len(password)), password, state)
        left -= n
    return state[size:]


def scrypt(password, *, salt=None, n=None, r=None, p=None, maxmem=0, dklen=64):
    """scrypt password-based key derivation function."""
    for what, value in (("salt", salt), ("n", n), ("r", r), ("p", p)):
        if value is None:
            raise TypeError(what + " is required")
    if n < 2 or n & (n - 1):
        raise ValueError("n must be a power of 2.")
    if 128 * n * r > max(maxmem, 32 << 20):
        raise ValueError("Invalid parameter combination for n, r, p, maxmem.")
    password, salt = bytes(memoryview(password)), bytes(memoryview(salt))
    try:
        return _ask(b"s", (n, r, p, dklen, len(password)), password, salt)
    except Exception:
        raise ValueError("Invalid parameter combination for n, r, p, maxmem.") from None
