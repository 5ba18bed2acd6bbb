from typing import Optional
from fastapi import Depends, FastAPI, HTTPException, WebSocket
from pydantic import BaseModel, Field
class Item(BaseModel):
    name: str = Field(min_length=2)
    price: float = 1.0
def user(token: Optional[str] = None):
    if token != "secret":
        raise HTTPException(401, "who are you?")
    return "joe"
app = FastAPI(title="shop")
@app.get("/")
def index():
    return {"hello": "fastapi"}
@app.post("/items/{n}")
async def item(n: int, item: Item, q: Optional[str] = None):
    return {"n": n, "item": item, "q": q}
@app.get("/me")
def me(name: str = Depends(user)):
    return {"name": name}
@app.websocket("/ws")
async def ws(websocket: WebSocket):
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text("you said " + text)
