"""Small programs that show, at build time, what programs of the bare interpreter run.

Of the interpreter's 90,000 functions a program needs some hundreds. Those that
nearly all need are at hand when one starts; those that are needed in the rare
ones of these programs come together when the first of them is called.
"""
import os

_WORDS = """
import collections, json, os, re, sys, time
import rehearsal_module
class Boat:
    kind = "wherry"
    def __init__(self, name, length=7.5): self.name, self.length = name, length
    def __repr__(self): return f"{type(self).__name__}({self.name!r}, {self.length:.2f})"
    @property
    def short(self): return self.name[:3].upper()
def count(n):
    while n > 0:
        yield n
        n -= 1
boats = [Boat(w.title(), i * 1.5) for i, w in enumerate("thames albion hathor maud solace".split())]
boats.sort(key=lambda b: (-b.length, b.name))
print(boats, max(boats, key=lambda b: b.length), [b.short for b in boats if b.length > 2], sep="\\n", end="\\n\\n")
print({b.name: b.length for b in boats}, {1, 2} | {3}, tuple(count(3)), sum(range(100)), 2 ** 100 // 3 % 1000, 7 / 3, -7 // 2)
print("%s %d %.3f %5s|%-5s|" % ("a", 3, 2.5, "b", "c"), "{:>8} {:,} {:x} {:e}".format("r", 1234567, 255, 1.5), "ä€".encode(), b"a\\xff".hex())
print(json.dumps({"a": [1, 2.5, None, True, "é"], "b": {}}, indent=1, sort_keys=True), json.loads('{"x": [1, -2.5e3, "\\u00e9", null, true]}'))
print(re.sub(r"(\\w+)@(\\w+)", r"\\2 at \\1", "me@here you@there"), re.findall("[a-c]+|\\\\d", "abc12cab"), re.match("(?P<n>x*)y", "xxy")["n"])
print(collections.Counter("banana").most_common(2), collections.defaultdict(list), collections.deque([1, 2], 3))
print(sys.argv, os.environ.get("HOME"), os.path.join("a", "b"), os.listdir("/tmp"), os.path.exists("/nothing"), time.time() > 0, file=sys.stderr)
a, *b = sorted({"x": 1, "y": 2}.items(), reverse=True); a, b = b, a
try:
    {}["missing"]
except KeyError as e:
    print("caught", e, isinstance(e, LookupError))
finally:
    with open("/tmp/rehearsal.txt", "w") as f:
        f.write("one\\ntwo\\n")
    with open("/tmp/rehearsal.txt", encoding="utf-8") as f:
        print([line.strip().partition("w") for line in f], f.name)
print(list(zip("ab", [1, 2])), list(map(str, [1, 2.0])), any(x > 1 for x in (1, 2)), round(2.567, 2), abs(-3), int("42"), float("1e3"), " a b ".strip().replace("a", "c").split())
"""

_FAILS = """
def inner(n):
    return 10 / n
def outer(n):
    try:
        return inner(n)
    except ZeroDivisionError as e:
        raise ValueError("no such number") from e
if __name__ == "__main__":
    outer(0)
"""

_MODULE = """
def answer():
    return 42
if __name__ == "__main__":
    print(answer())
"""

_FILE = """
import sys
def main(*words):
    line = input("name? ")
    print("hello", line, len(words), sum(int(n) for n in sys.stdin))
    try:
        None.missing
    except AttributeError as e:
        print(f"caught {e}", file=sys.stderr)
if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.exit(3)
"""


def _writing(*files):
    """A program that writes files."""
    return "\n".join("with open(%r, 'w') as f: f.write(%r)" % file for file in files)


def runs():
    """Arguments, standard input, and whether it is rare, in the order in which they are run."""
    python = "/usr/bin/python"
    files = _writing(("/tmp/rehearsal_one.py", _FILE), ("/tmp/rehearsal_two.py", _FAILS), ("rehearsal_module.py", _MODULE))
    usual = [(["-c", "print(1)"], ""), (["-c", files], ""), (["/tmp/rehearsal_one.py", "--flag", "x"], "somebody\n1\n2\n")]
    rare = [
        (["-c", _WORDS, "an", "argument"], ""),
        (["-c", "1 / 0"], ""),
        (["-c", "print(undefined)"], ""),
        (["-c", "import nothing_of_this_name"], ""),
        (["-c", "if True print(1)"], ""),
        (["-c", "raise SystemExit('with a text')"], ""),
        (["-c", "import gc, sys; a = []; a.append(a); del a; print(gc.collect() >= 0); sys.exit(4)"], ""),
        (["-c", "print(input())"], ""),
        (["/tmp/rehearsal_two.py"], ""),
        (["/tmp/nothing.py"], ""),
        (["-m", "rehearsal_module"], ""),
        (["-m", "json.tool"], '{"a": [1, 2.5, null]}'),
        (["-m", "nothing_of_this_name"], ""),
        (["-"], "print('from standard input')\n"),
        ([], "import sys\nprint(sys.version_info[:2])\n"),
        (["-V"], ""),
        (["--nothing"], ""),
    ]
    runs = [([python, *args], text, at >= len(usual)) for at, (args, text) in enumerate(usual + rare)]
    return [*runs, ([python, "-c", "print(1)"], "", False, ["REHEARSAL=1", "PWD=/tmp"], "/tmp")]


# An application like many: what is imported when it is stays as it is in its place.
_APPLICATION = """
import json
import logging
import os
import re
from datetime import datetime
log = logging.getLogger(__name__)
class Store:
    items = {"one": 1}
    def get(self, name, default=None):
        return self.items.get(name, default)
store = Store()
def told(name, sent=None):
    log.debug("asked for %%s", name)
    text = json.dumps({"item": store.get(name, name), "sent": sent, "of": [1, 2.5, None, True, "\u00e9"], "at": datetime.now().isoformat()})
    return json.loads(text), re.sub(r"(\\w+)-(\\d+)", r"\\2 of \\1", f"{name!s:>8} {len(text):,} {2 / 3:.2f}"), os.environ.get("NOTHING")
%s
"""

_WITH = {
    "flask": """
from flask import Flask, jsonify, redirect, request, url_for
app = Flask("rehearsal")
@app.get("/")
def index():
    return "hello"
@app.route("/items/<name>", methods=["GET", "POST"])
def item(name):
    body = request.get_json() if request.is_json else request.form.to_dict()
    return jsonify(told(name, [body, request.args.get("page", 1, type=int), request.cookies.get("one")]))
@app.get("/to/<int:n>")
def to(n):
    answer = redirect(url_for("item", name=n, page=2))
    answer.set_cookie("seen", str(n), max_age=60)
    return answer
""",
    "starlette": """
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse
from starlette.routing import Route
async def index(request):
    return PlainTextResponse("hello")
async def item(request):
    body = await request.body()
    sent = json.loads(body) if body[:1] == b"{" else body.decode()
    return JSONResponse(told(request.path_params["name"], [sent, request.query_params.get("page"), request.cookies.get("one")]))
async def to(request):
    answer = RedirectResponse(request.url_for("item", name="x"))
    answer.set_cookie("seen", "1", max_age=60)
    return answer
app = Starlette(routes=[Route("/", index), Route("/items/{name}", item, methods=["GET", "POST"], name="item"), Route("/to/{n:int}", to)])
""",
    "wsgi": """
from urllib.parse import parse_qs
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    said = told(environ["PATH_INFO"].rpartition("/")[2], [parse_qs(environ["QUERY_STRING"]), environ["wsgi.input"].read().decode()])
    return [json.dumps(said).encode()]
""",
    "asgi": """
from urllib.parse import parse_qs
async def app(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError(scope["type"])
    asked = await receive()
    said = told(scope["path"].rpartition("/")[2], [parse_qs(scope["query_string"].decode()), asked["body"].decode()])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(said).encode()})
""",
}

# What one like that is asked for, beside its first page: with a body, its type and its bytes.
TARGETS = (
    "/items/one?page=2&of=a%20b", "/to/1",
    ("/items/two", "application/json", b'{"a": [1, -2.5e3, "\xc3\xa9", null, true]}'),
    ("/items/three", "application/x-www-form-urlencoded", b"name=a+b&of=%C3%A9"),
)


def application(protocol, modules):
    """Write one of such a protocol; returns what wherry-web is told of it."""
    framework = {"wsgi": "flask", "asgi": "starlette"}[protocol]
    kind = framework if framework in modules else protocol
    folder = "/tmp/rehearsal"
    os.makedirs(folder, exist_ok=True)
    with open(folder + "/rehearsal_application.py", "w") as f:
        f.write(_APPLICATION % _WITH[kind])
    return ["wherry-web", protocol, "import", "rehearsal_application:app", folder]
