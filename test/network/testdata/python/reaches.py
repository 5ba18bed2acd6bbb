"""What programs do with sockets, against servers that the test has: each line of the answer is a check that failed."""
import asyncio
import errno
import os
import select
import socket
import ssl
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request

PLAIN, TLS, REDIS, SQL, CA = (os.environ[n] for n in ("PLAIN", "TLS", "REDIS", "SQL", "CA"))
failed = []


def check(name):
    def run(f):
        began = time.monotonic()
        try:
            f()
        except BaseException as e:
            lines = [where.lineno for where in traceback.extract_tb(e.__traceback__) if where.filename == __file__]
            failed.append("%s: line %s: %s.%s: %s" % (name, lines[1:], type(e).__module__, type(e).__name__, e))
        print("%s: %.2f s" % (name, time.monotonic() - began), file=sys.stderr)
        return f

    return run


def fails(kind, call, *words):
    """The exception that a call ends with."""
    try:
        call()
    except kind as e:
        text = str(e)
        assert all(w in text for w in words), "%r says nothing of %r" % (text, words)
        return e
    raise AssertionError("it did not fail")


def same(what, got, wanted):
    assert got == wanted, "%s: %r, not %r" % (what, got, wanted)


def host(address):
    name, _, port = address.rpartition(":")
    return name, int(port)


def get(s, path="/"):
    s.sendall(b"GET %s HTTP/1.0\r\nHost: x\r\n\r\n" % path.encode())
    return s.makefile("rb").read().partition(b"\r\n\r\n")[2]


@check("urllib")
def _():
    assert urllib.request.urlopen("http://" + PLAIN + "/a").read() == b"hello /a"
    big = os.urandom(3 << 20)
    assert urllib.request.urlopen("http://" + PLAIN + "/echo", data=big).read() == big


@check("urllib and TLS")
def _():
    trusts = ssl.create_default_context(cafile=CA)
    assert urllib.request.urlopen("https://" + TLS + "/a", context=trusts).read() == b"hello /a"
    big = os.urandom(3 << 20)
    assert urllib.request.urlopen("https://" + TLS + "/echo", data=big, context=trusts).read() == big
    e = fails(urllib.error.URLError, lambda: urllib.request.urlopen("https://" + TLS + "/a"), "CERTIFICATE_VERIFY_FAILED")
    assert isinstance(e.reason, ssl.SSLCertVerificationError) and e.reason.verify_code in (18, 19, 20), e.reason.verify_code
    assert urllib.request.urlopen("https://" + TLS + "/a", context=ssl._create_unverified_context()).read() == b"hello /a"
    fails(urllib.error.URLError, lambda: urllib.request.urlopen("https://" + PLAIN + "/a", context=trusts), "WRONG_VERSION_NUMBER")


@check("ssl")
def _():
    trusts = ssl.create_default_context(cafile=CA)
    with trusts.wrap_socket(socket.create_connection(host(TLS)), server_hostname="127.0.0.1") as s:
        assert s.version() == "TLSv1.3" and s.cipher()[1] == "TLSv1.3", s.cipher()
        said = s.getpeercert()
        assert ("IP Address", "127.0.0.1") in said["subjectAltName"] and said["version"] == 3, said
        assert s.getpeercert(True)[:1] == b"0"
        assert get(s) == b"hello /"
    fails(ssl.SSLCertVerificationError, lambda: trusts.wrap_socket(socket.create_connection(host(TLS)), server_hostname="other.example"), "Hostname mismatch")
    loose = ssl.create_default_context(cafile=CA)
    loose.check_hostname = False
    loose.wrap_socket(socket.create_connection(host(TLS)), server_hostname="other.example").close()
    old = ssl.create_default_context(cafile=CA)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with old.wrap_socket(socket.create_connection(host(TLS)), server_hostname="127.0.0.1") as s:
        assert s.version() == "TLSv1.2" and "-" in s.cipher()[0], s.cipher()
    slow = socket.create_connection(host(TLS))
    slow.setblocking(False)
    late = trusts.wrap_socket(slow, server_hostname="127.0.0.1", do_handshake_on_connect=False)
    while True:
        try:
            late.do_handshake()
            break
        except ssl.SSLWantReadError:
            select.select([late], [], [], 5)
    fails(ssl.SSLWantReadError, lambda: late.recv(1))
    late.setblocking(True)
    assert get(late) == b"hello /"


@check("TLS of both sides")
def _():
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(CA, os.environ["KEY"])
    serving.set_alpn_protocols(["two", "one"])
    os.environ["SSL_CERT_FILE"] = CA
    asking = ssl.create_default_context()
    del os.environ["SSL_CERT_FILE"]
    asking.set_alpn_protocols(["one"])
    a, b = socket.socketpair()
    a.setblocking(False)
    b.setblocking(False)
    s = serving.wrap_socket(a, server_side=True, do_handshake_on_connect=False)
    c = asking.wrap_socket(b, server_hostname="127.0.0.1", do_handshake_on_connect=False)
    waiting = [s, c]
    while waiting:
        for one in list(waiting):
            try:
                one.do_handshake()
                waiting.remove(one)
            except ssl.SSLWantReadError:
                select.select([one], [], [], 0.01)
    assert c.selected_alpn_protocol() == s.selected_alpn_protocol() == "one"
    c.setblocking(True)
    s.setblocking(True)
    c.sendall(b"ping")
    assert s.recv(10) == b"ping"
    c.unwrap()
    assert s.recv(10) == b""


@check("TLS in memory")
def _():
    trusts = ssl.create_default_context(cafile=CA)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    o = trusts.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    s = socket.create_connection(host(TLS))

    def carry(call):
        while True:
            try:
                got = call()
            except ssl.SSLWantReadError:
                got = None
            s.sendall(outgoing.read())
            if got is not None:
                return got
            data = s.recv(65536)
            incoming.write(data) if data else incoming.write_eof()

    carry(lambda: o.do_handshake() or True)
    assert o.version() == "TLSv1.3" and o.getpeercert()["version"] == 3
    o.write(b"GET /bio HTTP/1.0\r\n\r\n")
    got = b""
    while data := carry(lambda: o.read(100)):
        got += data
    assert got.endswith(b"hello /bio"), got


@check("time-outs")
def _():
    s = socket.create_connection(host(PLAIN))
    s.settimeout(0.05)
    fails(TimeoutError, lambda: s.recv(1))
    s.setblocking(False)
    e = fails(BlockingIOError, lambda: s.recv(1))
    same("a read that would block", e.errno, errno.EAGAIN)
    same("a look at both directions", select.select([s], [s], [], 0), ([], [s], []))
    s.sendall(b"GET /late HTTP/1.0\r\n\r\n")
    other = socket.create_connection(host(PLAIN))
    same("who has an answer", select.select([other, s], [], [], 10), ([s], [], []))
    s.settimeout(10)  # the answer may come in pieces
    seen = s.recv(4, socket.MSG_PEEK)
    same("what was looked at", seen, b"HTTP"[:len(seen) or 1])
    room = bytearray(b"--------")
    got = 0
    while got < 8:
        n = s.recv_into(memoryview(room)[got:], 8 - got)
        assert n > 0, "the answer ended after %r" % room[:got]
        got += n
    assert room in (b"HTTP/1.0", b"HTTP/1.1"), room


@check("a connect that does not block")
def _():
    n = socket.socket()
    n.setblocking(False)
    same("connect_ex", n.connect_ex(host(PLAIN)), errno.EINPROGRESS)
    same("who is connected", select.select([], [n], [], 10), ([], [n], []))
    same("SO_ERROR", n.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)
    n.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    same("the peer", n.getpeername(), host(PLAIN))
    n.shutdown(socket.SHUT_WR)
    n.setblocking(True)
    same("the end", n.recv(10), b"")
    n = socket.socket()
    n.setblocking(False)
    same("connect_ex to nobody", n.connect_ex(("127.0.0.1", 1)), errno.EINPROGRESS)
    same("who is not connected", select.select([], [n], [], 10), ([], [n], []))
    same("SO_ERROR of nobody", n.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), errno.ECONNREFUSED)


@check("what is refused")
def _():
    fails(ConnectionRefusedError, lambda: socket.create_connection(("127.0.0.1", 1)))
    e = fails(PermissionError, lambda: socket.create_connection(("10.1.2.3", 81)), "--allow-net 10.1.2.3:81")
    assert e.errno == errno.EACCES
    e = fails(PermissionError, lambda: socket.create_connection(("nowhere.example", 80)), "--allow-net nowhere.example")
    assert isinstance(e, socket.gaierror)
    fails(urllib.error.URLError, lambda: urllib.request.urlopen("http://169.254.169.254/"), "--allow-net 169.254.169.254:80")
    fails(urllib.error.URLError, lambda: urllib.request.urlopen("http://" + PLAIN + "/away"), "--allow-net 169.254.169.254:80")
    fails(OverflowError, lambda: socket.socket().connect(("127.0.0.1", 70000)))
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    fails(PermissionError, lambda: u.sendto(b"x", ("10.1.2.3", 53)), "--allow-net 10.1.2.3:53/udp")


@check("too many")
def _():
    kept = []

    def all():
        while len(kept) < 5000:
            kept.append(socket.create_connection(host(PLAIN)))

    e = fails(OSError, all)
    assert e.errno in (errno.EMFILE, errno.ENFILE), e
    for s in kept:
        s.close()


@check("names")
def _():
    assert socket.getaddrinfo("127.0.0.1", "https", type=socket.SOCK_STREAM) == [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))]
    assert socket.gethostbyname("localhost") == "127.0.0.1"
    fails(socket.gaierror, lambda: socket.getaddrinfo("127.0.0.1", "no-such-service"))
    assert socket.getservbyname("http") == 80


@check("a server of its own")
def _():
    l = socket.create_server(("127.0.0.1", 7001))
    c = socket.create_connection(("127.0.0.1", 7001))
    s, _ = l.accept()
    c.sendall(b"ping")
    assert s.recv(10) == b"ping"
    l.settimeout(0.05)
    fails(TimeoutError, l.accept)
    a, b = socket.socketpair()
    a.send(b"x")
    assert b.recv(1) == b"x"


@check("asyncio")
def _():
    async def main():
        async def answer(r, w):
            w.write(b"echo " + await r.readline())
            await w.drain()
            w.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 7002)

        async def one(i):
            r, w = await asyncio.open_connection("127.0.0.1", 7002)
            w.write(b"%d\n" % i)
            got = await r.read()
            w.close()
            return got

        assert await asyncio.gather(*map(one, range(5))) == [b"echo %d\n" % i for i in range(5)]
        server.close()
        r, w = await asyncio.open_connection(*host(PLAIN))
        w.write(b"GET /b HTTP/1.0\r\n\r\n")
        assert (await r.read()).endswith(b"hello /b")
        trusts = ssl.create_default_context(cafile=CA)

        async def secure(i):
            r, w = await asyncio.open_connection(*host(TLS), ssl=trusts)
            assert w.get_extra_info("ssl_object").version() == "TLSv1.3" and w.get_extra_info("peercert")["version"] == 3
            body = os.urandom(300000)
            w.write(b"POST /echo HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            got = await r.read()
            w.close()
            assert got.endswith(body), len(got)

        await asyncio.gather(*map(secure, range(4)))
        try:
            await asyncio.open_connection(*host(TLS), ssl=True)
            raise AssertionError("it was not looked at")
        except ssl.SSLCertVerificationError as e:
            assert e.verify_code in (18, 19, 20), e.verify_code
        try:
            await asyncio.wait_for(asyncio.open_connection("10.1.2.3", 81), 5)
        except PermissionError:
            return
        raise AssertionError("10.1.2.3 was reached")

    asyncio.run(main())


@check("a thread")
def _():
    got = []
    t = threading.Thread(target=lambda: got.append(urllib.request.urlopen("http://" + PLAIN + "/t").read()))
    t.start()
    t.join()
    assert got == [b"hello /t"]


@check("requests")
def _():
    import requests

    s = requests.Session()
    s.verify = CA
    for _ in range(3):
        assert s.get("https://" + TLS + "/r").text == "hello /r"
    assert s.post("http://" + PLAIN + "/echo", json={"a": 1}, timeout=5).json() == {"a": 1}
    fails(requests.exceptions.SSLError, lambda: requests.get("https://" + TLS + "/r"), "certificate verify failed")
    fails(requests.exceptions.ConnectionError, lambda: requests.get("http://10.1.2.3:81/"), "--allow-net 10.1.2.3:81")
    fails(requests.exceptions.Timeout, lambda: requests.get("http://" + PLAIN + "/slow", timeout=0.2))


def dictionary():
    import redis

    name, port = host(REDIS)
    r = redis.Redis(name, port, socket_timeout=5, protocol=2)
    assert r.set("k", b"v" * 100000) and r.get("k") == b"v" * 100000 and r.get("none") is None
    with r.pipeline(transaction=False) as p:
        assert p.set("a", 1).get("a").execute() == [True, b"1"]


def database():
    import pg8000.native

    name, port = host(SQL)
    c = pg8000.native.Connection("boat", host=name, port=port, password="wherry", ssl_context=ssl.create_default_context(cafile=CA))
    assert c.run("SELECT 'hello', 42") == [["SELECT 'hello', 42", 42]], "rows"
    c.close()
    plain = pg8000.native.Connection("boat", host=name, port=port, password="wherry", ssl_context=False)
    assert plain.run("x") == [["x", 42]]


if "LONG" in os.environ:  # they are imported for some seconds
    check("redis")(dictionary)
    check("pg8000")(database)


print("\n".join(failed))
