"""Asks the sockets of testdata/starlette with the client of PyPI's websockets; the argument is the address."""
import asyncio
import sys
import time

import websockets

URL = sys.argv[1].replace("http", "ws", 1)


async def ended(socket):
    try:
        while True:
            await socket.recv()
    except websockets.ConnectionClosed as e:
        return e.rcvd.code, e.rcvd.reason


async def main():
    async with websockets.connect(URL + "/ws/same", subprotocols=["one", "two"], max_size=None) as socket:
        assert socket.subprotocol == "two", socket.subprotocol
        headers = socket.response.headers
        assert headers["x-made-by"] == "me" and "sec-websocket-extensions" not in headers, headers
        for message in ("hi", b"\0\1", "", b"", "\u00e9" * 1000, b"x" * 3_000_000):
            await socket.send(message)
            assert await socket.recv() == message
        await socket.send(["frag", "ments"])
        assert await socket.recv() == "fragments"
        await (await socket.ping())

        async def many():
            for n in range(2000):
                await socket.send(str(n))

        task = asyncio.create_task(many())
        for n in range(2000):
            assert await socket.recv() == str(n)
        await task
        began = time.time()
        for n in range(500):
            await socket.send("x")
            await socket.recv()
        print("%.2f ms a round trip" % ((time.time() - began) * 2))
    async with websockets.connect(URL + "/ws/chat") as a, websockets.connect(URL + "/ws/chat") as b:
        await a.send("hello")
        assert await a.recv() == await b.recv() == "2: hello"
        async with websockets.connect(URL + "/ws/ticks") as c:
            began = time.time()
            assert await c.recv() == '{"tick":0,"db":"there"}'
            assert await ended(c) == (4000, "that was all")
            assert 0.5 < time.time() - began < 8, time.time() - began
        await b.send("still here")
        assert await a.recv() == "2: still here"
    async with websockets.connect(URL + "/ws/fail") as socket:
        assert (await ended(socket))[0] == 1011
    async with websockets.connect(URL + "/ws/same") as socket:
        await socket.send(b"x" * 17_000_000)
        assert (await ended(socket))[0] == 1009
    for path in ("/ws/refuse", "/ws/nothing", "/"):
        try:
            async with websockets.connect(URL + path):
                raise AssertionError(path)
        except websockets.InvalidStatus as e:
            assert e.response.status_code == 403, e
    several = [await websockets.connect(URL + "/ws/same") for _ in range(50)]
    for n, socket in enumerate(several):
        await socket.send(str(n))
    for n, socket in enumerate(several):
        assert await socket.recv() == str(n)
        await socket.close()


asyncio.run(main())
print("ok")
