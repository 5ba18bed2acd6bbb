"""How long numpy takes: milliseconds by operation, as JSON."""

import json
import time

import numpy as np

numbers = np.random.default_rng(1)


def least(do):
    """The least of single calls: on a machine that others use as well, some have it for themselves."""
    best, calls, began = float("inf"), 0, time.perf_counter()
    while calls < 8 or time.perf_counter() - began < 0.3:
        at = time.perf_counter()
        do()
        best = min(best, time.perf_counter() - at)
        calls += 1
    return best * 1e3


took = {}
for n in (128, 400, 800):
    for kind in (np.float64, np.float32):
        a, b = (numbers.standard_normal((n, n)).astype(kind) for _ in range(2))
        took[f"product of {n}, {np.dtype(kind).name}"] = least(lambda: a @ b)
a, v = numbers.standard_normal((400, 400)), numbers.standard_normal(400)
took["matrix by vector of 400"] = least(lambda: a @ v)
took["solve 400"] = least(lambda: np.linalg.solve(a, v))
took["solve 400 sides"] = least(lambda: np.linalg.solve(a, a.T))
took["inverse 400"] = least(lambda: np.linalg.inv(a))
took["singular values 400"] = least(lambda: np.linalg.svd(a, compute_uv=False))
s = a[:300, :300] @ a[:300, :300].T
took["eigenvectors 300, symmetric"] = least(lambda: np.linalg.eigh(s))
took["QR 400"] = least(lambda: np.linalg.qr(a))
x, i = numbers.standard_normal(1_000_000), numbers.integers(-(2**60), 2**60, 1_000_000)
out = np.empty_like(x)
plus = np.abs(x)
took["exp of 1 M"] = least(lambda: np.exp(x, out=out))
took["log of 1 M"] = least(lambda: np.log(plus, out=out))
took["tanh of 1 M"] = least(lambda: np.tanh(x, out=out))
for kind in (np.float64, np.float32):
    took[f"sort of 1 M, {np.dtype(kind).name}"] = least(lambda a=x.astype(kind): np.sort(a))
for kind in (np.int64, np.int32):
    took[f"sort of 1 M, {np.dtype(kind).name}"] = least(lambda a=i.astype(kind): np.sort(a))
print(json.dumps(took))
