"""Does what it is told to, some of it bad."""
import os


def predict(what: str, n: int = 0) -> int:
    if what == "refuse":
        raise ValueError("no")
    if what == "trap":
        os.abort()
    if what == "bomb":
        held = []
        while True:
            held.append(bytes(16 << 20))
    while what == "hang":
        pass
    return n + 1
