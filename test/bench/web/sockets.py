"""Messages of WebSockets back and forth, of servers in turns; the arguments are their ports."""
import asyncio
import sys
import time

import websockets


async def client(port, n):
    async with websockets.connect("ws://127.0.0.1:%s/ws/same" % port) as socket:
        for _ in range(n):
            await socket.send("x")
            await socket.recv()


async def main():
    for _ in range(3):
        for port in sys.argv[1:]:
            await client(port, 20)
            began = time.time()
            await client(port, 500)
            one = (time.time() - began) * 2
            began = time.time()
            await asyncio.gather(*[client(port, 100) for _ in range(20)])
            print("%s: %.2f ms a round trip, 20 clients: %.0f/s" % (port, one, 2000 / (time.time() - began)))


asyncio.run(main())
