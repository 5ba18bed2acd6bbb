import time
from flask import Flask, request, jsonify, Response, stream_with_context
app = Flask(__name__)
@app.get("/")
def index():
    return "hello from flask"
@app.get("/hello/<name>")
def hello(name):
    return jsonify(hello=name)
@app.post("/sum")
def total():
    return jsonify(sum=sum(request.get_json()))
@app.post("/echo")
def echo():
    return Response(request.get_data(), mimetype="application/octet-stream")
@app.get("/ticks")
def ticks():
    def gen():
        for i in range(4):
            yield f"data: {i}\n\n"
            time.sleep(0.3)
    return Response(gen(), mimetype="text/event-stream")
@app.get("/args")
def args():
    return dict(request.args)
@app.get("/boom")
def boom():
    return 1 / 0
