"""Keeps flowers: asks the model which irises they are, and writes the answers down.

An ordinary Flask application. Nothing in it knows about Wherry: the model is a server
that is asked by HTTP, and the database a file.
"""
import json
import os
import sqlite3
import urllib.error
import urllib.request
from contextlib import closing

from flask import Flask, abort, jsonify, request

app = Flask(__name__)
MODEL = os.environ.get("MODEL_URL", "http://iris:8080")
DATABASE = os.environ.get("DATABASE", "/data/flowers.db")
SIZES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
COLUMNS = ("id", "made", *SIZES, "species", "probability")


def database() -> sqlite3.Connection:
    db = sqlite3.connect(DATABASE, timeout=10)
    db.row_factory = sqlite3.Row
    with db:
        db.execute(
            """create table if not exists flowers (
                 id integer primary key,
                 made text not null default (strftime('%Y-%m-%dT%H:%M:%SZ')),
                 sepal_length real not null, sepal_width real not null,
                 petal_length real not null, petal_width real not null,
                 species text not null, probability real not null)"""
        )
    return db


def sizes(sent) -> dict[str, float]:
    """What was sent, if it is the sizes of a flower."""
    if not isinstance(sent, dict):
        abort(400, "send an object with " + ", ".join(SIZES))
    flower = {}
    for name in SIZES:
        value = sent.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 20:
            abort(400, f"{name} is to be a number of centimetres, up to 20")
        flower[name] = float(value)
    return flower


def ask_model(flower: dict[str, float]) -> dict:
    asked = urllib.request.Request(
        MODEL + "/predict", json.dumps(flower).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return json.load(answer)
    except (urllib.error.URLError, TimeoutError, ValueError) as e:
        app.logger.warning("the model does not answer: %s", e)
        abort(503, "the model does not answer now; try again in a moment")


@app.get("/api/flowers")
def flowers():
    most = min(request.args.get("most", 200, type=int), 1000)
    with closing(database()) as db:
        rows = db.execute(f"select {', '.join(COLUMNS)} from flowers order by id desc limit ?", (most,)).fetchall()
        counts = db.execute("select species, count(*) from flowers group by species order by species").fetchall()
    return jsonify(flowers=[dict(r) for r in rows], counts=dict(tuple(c) for c in counts))


@app.post("/api/flowers")
def add():
    flower = sizes(request.get_json())
    flower |= ask_model(flower)
    with closing(database()) as db, db:
        made = db.execute(
            f"""insert into flowers ({', '.join(COLUMNS[2:])}) values ({', '.join(':' + c for c in COLUMNS[2:])})
                returning {', '.join(COLUMNS)}""",
            flower,
        ).fetchone()
    return jsonify(dict(made)), 201


@app.get("/api/health")
def health():
    with closing(database()) as db:
        db.execute("select 1 from flowers limit 1")
    return jsonify(status="ok")


@app.errorhandler(400)
@app.errorhandler(404)
@app.errorhandler(405)
@app.errorhandler(415)
@app.errorhandler(503)
def refused(error):
    return jsonify(error=error.description), error.code
