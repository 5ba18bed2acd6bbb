"""What no two runs may share, and what all must, of a program that made it while it loaded."""
import copy
import email.generator
import email.utils
import logging
import os
import pickle
import random
import secrets
import sqlite3
import sys
import tempfile
import threading
import time
import uuid
from random import SystemRandom
from sys import argv, stdout

import numpy as np

LARGE = False  # whether the libraries take part that take seconds to import

os.environ["SET_WHILE_LOADING"] = "yes"


class Mine(random.Random):
    """A generator of the program's own."""


before = random.getstate()
random.seed(5)
random.setstate(before)
generators = {
    "Random": random.Random(), "own class": Mine(), "copied": copy.deepcopy(random.Random()),
    "pickled": pickle.loads(pickle.dumps(random.Random())), "in a list": [random.Random()][0],
}
sequence = np.random.SeedSequence()
arrays = {
    "default_rng": np.random.default_rng(), "copied": copy.deepcopy(np.random.default_rng()),
    "pickled": pickle.loads(pickle.dumps(np.random.default_rng())), "of a sequence": np.random.default_rng(sequence),
    "spawned": np.random.default_rng().spawn(1)[0], "MT19937": np.random.Generator(np.random.MT19937()),
    "RandomState": np.random.RandomState(), "set": np.random.RandomState(3), "seeded again": np.random.RandomState(3),
}
arrays["set"].set_state(np.random.RandomState().get_state())
arrays["seeded again"].seed()
lazy = (random.random() for _ in range(10))
if LARGE:
    import pandas as pd
    import scipy.stats
    from sklearn.utils import check_random_state

    arrays["check_random_state"] = check_random_state(None)
    table, frozen = pd.DataFrame({"a": range(10**6)}), scipy.stats.norm()
fixed, seeded, legacy = random.Random(42), np.random.default_rng(7), np.random.RandomState(9)
names = tempfile._get_candidate_names()
clocks = time.time, time.monotonic, time.perf_counter, time.process_time
began = [clock() for clock in clocks]
calls, hooked, turn, _wherry_ = 0, [], "white", "mine"
print("loading")
os.write(1, b"past the stream\n")
print("warning", file=sys.stderr)
kept = sorted(sys.modules["__main__"].__dict__)


class Last:
    """Says when it goes, which is at the end."""

    def __del__(self):
        print("gone")


last = Last()
last.circle = [last]


def on_restore():
    hooked.append(sys.argv[1:])
    if "REFUSE" in os.environ:
        raise ValueError("no " + os.environ["REFUSE"])


def drawn():
    """What is drawn now."""
    sql = sqlite3.connect(":memory:")
    own = {"random " + name: g.random() for name, g in generators.items()}
    own.update({"numpy " + name: g.random() for name, g in arrays.items()})
    own.update({
        "random": random.random(), "sample": str(random.sample(range(10**6), 3)), "lazy": next(lazy), "system": SystemRandom().random(),
        "numpy": np.random.random(), "normal": np.random.normal(), "entropy": str(sequence.entropy),
        "children": str(sequence.spawn(1)[0].generate_state(2)), "new sequence": str(np.random.SeedSequence().entropy),
        "uuid1": str(uuid.uuid1()), "uuid4": str(uuid.uuid4()), "uuid6": str(uuid.uuid6()), "uuid7": str(uuid.uuid7()), "uuid8": str(uuid.uuid8()),
        "secret": secrets.token_hex(), "bits": secrets.randbits(128), "urandom": os.urandom(8).hex(), "device": open("/dev/urandom", "rb").read(8).hex(),
        "name": tempfile.mktemp(), "names": next(names), "message": email.utils.make_msgid(domain="x"), "boundary": email.generator._make_boundary(),
        "sqlite": sql.execute("select random()").fetchone()[0], "blob": sql.execute("select hex(randomblob(8))").fetchone()[0],
    })
    if LARGE:
        own.update({"pandas": str(table.sample(2).index.tolist()), "frozen": frozen.rvs()})
    try:
        import multiprocessing.process

        own["authkey"] = bytes(multiprocessing.process.current_process().authkey).hex()
    except ImportError:
        pass
    return own


def predict(what: str) -> dict:
    global calls
    calls += 1
    if what == "raise":
        raise ValueError("told to")
    if what == "exit":
        sys.exit(7)
    if what == "stdin":
        return {"stdin": sys.stdin.read()}
    return {
        "own": drawn(),
        "shared": {
            "calls": calls, "fixed": fixed.random(), "seeded": seeded.random(), "legacy": legacy.random(), "hash": hash("text"),
            "argv": sys.argv, "the same argv": argv is sys.argv and argv, "line": sys.orig_argv, "path": sys.path, "flags": str(sys.flags),
            "set": os.environ["SET_WHILE_LOADING"], "env": dict(os.environ), "dir": os.getcwd(), "main": __name__, "turn": turn,
            "names": [n for n in sys.modules["__main__"].__dict__ if n not in kept + ["kept", "on_restore", "drawn", "predict"]],
            "stdout": [stdout is sys.stdout, stdout.encoding, stdout.errors, stdout.isatty(), stdout.line_buffering],
            "thread": [threading.current_thread().name, threading.current_thread() is threading.main_thread()], "pid": os.getpid(),
            "forward": [clock() >= then for clock, then in zip(clocks, began)],
        },
        "hooked": hooked, "now": time.time(), "logged": logging.LogRecord("", 0, "", 0, "", (), None).relativeCreated,
    }
