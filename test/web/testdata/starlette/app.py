import asyncio, contextlib
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route, Mount, WebSocketRoute
from starlette.websockets import WebSocketDisconnect
from starlette.staticfiles import StaticFiles
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
events = []
@contextlib.asynccontextmanager
async def lifespan(app):
    events.append("up")
    yield {"db": "there"}
    print("down", flush=True)
async def index(request):
    return PlainTextResponse("hello from starlette")
async def state(request):
    return JSONResponse({"events": events, "db": request.state.db})
def blocking(request):
    return PlainTextResponse("sync")
async def echo(request):
    return PlainTextResponse(await request.body(), media_type="application/octet-stream")
async def stream(request):
    async def gen():
        for i in range(4):
            yield f"data: {i}\n\n"
            await asyncio.sleep(0.2)
    return StreamingResponse(gen(), media_type="text/event-stream")
async def later():
    await asyncio.sleep(1)
    events.append("later")
async def task(request):
    return PlainTextResponse("accepted", background=BackgroundTask(later))
async def boom(request):
    raise ValueError("no")
room = set()
async def chat(websocket):
    await websocket.accept()
    room.add(websocket)
    try:
        while True:
            text = await websocket.receive_text()
            for one in list(room):
                await one.send_text(f"{len(room)}: {text}")
    except WebSocketDisconnect:
        room.discard(websocket)
async def same(websocket):
    await websocket.accept(subprotocol="two" if "two" in websocket.scope["subprotocols"] else None, headers=[(b"x-made-by", b"me")])
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            print("gone", message["code"], flush=True)
            return
        await websocket.send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})
async def ticks(websocket):
    await websocket.accept()
    for i in range(4):
        await websocket.send_json({"tick": i, "db": websocket.state.db})
        await asyncio.sleep(0.2)
    await websocket.close(4000, "that was all")
async def refuse(websocket):
    await websocket.close()
async def fail(websocket):
    await websocket.accept()
    raise ValueError("no")
sockets = [WebSocketRoute("/ws/chat", chat), WebSocketRoute("/ws/same", same), WebSocketRoute("/ws/ticks", ticks), WebSocketRoute("/ws/refuse", refuse), WebSocketRoute("/ws/fail", fail)]
app = Starlette(lifespan=lifespan, routes=[Route("/", index), Route("/state", state), Route("/sync", blocking), Route("/echo", echo, methods=["POST"]), Route("/stream", stream), Route("/task", task), Route("/boom", boom), *sockets, Mount("/static", StaticFiles(directory="static"))])
