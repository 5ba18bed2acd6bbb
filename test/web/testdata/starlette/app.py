import asyncio, contextlib
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route, Mount
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
app = Starlette(lifespan=lifespan, routes=[Route("/", index), Route("/state", state), Route("/sync", blocking), Route("/echo", echo, methods=["POST"]), Route("/stream", stream), Route("/task", task), Route("/boom", boom), Mount("/static", StaticFiles(directory="static"))])
