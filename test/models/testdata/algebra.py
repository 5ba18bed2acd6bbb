"""Linear algebra of all kinds, on numbers of all kinds, into a file: the same in every run."""

import sys

import numpy as np
import scipy.linalg

numbers = np.random.default_rng(7)
results = {}


def keep(name, *arrays):
    for i, a in enumerate(arrays):
        results[f"{name}.{i}"] = np.atleast_1d(np.asarray(a))


def matrix(rows, columns, kind):
    return numbers.standard_normal((rows, columns)).astype(kind)


for kind in (np.float64, np.float32):
    k = np.dtype(kind).name
    for m, n, d in ((1, 1, 1), (3, 5, 7), (8, 64, 16), (33, 17, 65), (100, 100, 100), (1, 300, 200), (257, 1, 129), (130, 260, 390)):
        a, b = matrix(m, d, kind), matrix(d, n, kind)
        name = f"product {k} {m} {n} {d}"
        keep(name, a @ b, a.T.copy().T @ b, a @ b.T.copy().T, a.T.copy().T @ b.T.copy().T)
        keep(name + " views", a[::-1] @ b, a @ b[:, ::-1], a[:, ::2] @ b[::2], np.asfortranarray(a) @ b[:, : max(1, n // 2)])
        out = np.full((m, n), np.nan, kind)
        np.matmul(a, b, out=out)
        keep(name + " out", out, a @ b[:, 0], a[0] @ b, a @ a.T, a.T @ a)
        for bad in (np.nan, np.inf, -np.inf):
            x, y = a.copy(), b.copy()
            x[m // 2, d // 2] = bad
            y[d // 2, 0] = 0
            keep(f"{name} {bad}", x @ y, x @ y[:, 0])
        tiny = np.finfo(kind).tiny
        keep(name + " tiny", (a * tiny) @ b, (a * kind(1e30)) @ b)
    for n in (2, 5, 31, 64, 100, 150):
        a = matrix(n, n, kind) + n * np.eye(n, dtype=kind)
        s = a @ a.T
        v = matrix(n, 3, kind)
        name = f"factors {k} {n}"
        keep(name, np.linalg.solve(a, v), np.linalg.inv(a), np.linalg.cholesky(s), np.linalg.det(a / n))
        keep(name + " values", np.linalg.svd(a, compute_uv=False), np.linalg.eigvalsh(s), np.abs(np.linalg.qr(a)[1]))
        keep(name + " scipy", scipy.linalg.lu_solve(scipy.linalg.lu_factor(a), v), scipy.linalg.cho_solve(scipy.linalg.cho_factor(s), v),
             scipy.linalg.solve_triangular(np.triu(a), v), scipy.linalg.solve_triangular(np.tril(a), v, lower=True, trans=1))
        (q, r), (w, x), (left, middle, right) = np.linalg.qr(a), np.linalg.eigh(s), np.linalg.svd(a)
        keep(name + " vectors", q @ r, (x * w) @ x.T, (left * middle) @ right, scipy.linalg.eigh(s, lower=False, eigvals_only=True))
        blas = scipy.linalg.blas
        p = "d" if kind is np.float64 else "s"
        c = np.asfortranarray(matrix(n, n, kind))
        for beta in (0, 1, -0.5):
            keep(f"{name} blas {beta}",
                 getattr(blas, p + "gemm")(1.5, a, a, beta=beta, c=c, trans_a=1), getattr(blas, p + "syrk")(0.5, a, beta=beta, c=c, lower=1),
                 getattr(blas, p + "gemv")(2, a, v[:, 0], beta=beta, y=v[:, 1].copy(), trans=1), getattr(blas, p + "trsm")(1, np.triu(a), v))
        for lower in (0, 1):
            keep(f"{name} blas {lower}",
                 getattr(blas, p + "symv")(1.5, c, v[:, 0], lower=lower), getattr(blas, p + "symv")(2, c, v[:, 0], beta=0.5, y=v[:, 1].copy(), lower=lower),
                 getattr(blas, p + "syr2k")(0.5, c, a, lower=lower), getattr(blas, p + "syr2k")(0.5, c, a, beta=2, c=c, trans=1, lower=lower),
                 *(getattr(blas, p + "trmm")(-0.5, c, np.asfortranarray(a), side=side, trans_a=t, lower=lower, diag=unit)
                   for side in (0, 1) for t in (0, 1) for unit in (0, 1)))
        wide = matrix(n, n, kind)
        keep(name + " ger", getattr(blas, p + "ger")(2, v[:, 0], v[:, 1]), getattr(blas, p + "ger")(-1, v[:, 0], v[:, 1], a=np.asfortranarray(wide)))
        x, y = v[:, 0].copy(), v[:, 1].copy()
        x[n // 2], y[0] = np.inf, 0
        keep(name + " ger odd", getattr(blas, p + "ger")(1, x, y), getattr(blas, p + "ger")(1, y, x))
        far = kind(2.0 ** (100 if kind is np.float32 else 900))  # two of them are too many for a number
        for alpha in (far, 1 / far):
            # all of one sign: what is too large or too small in between is so in both, whatever the order of sums
            x, y, e = np.abs(v[:, 0]) / alpha, np.abs(v[:, 1]) / alpha, np.asfortranarray(np.abs(wide) / alpha)
            keep(f"same extreme ger {k} {n} {alpha}", getattr(blas, p + "ger")(alpha, x, y), getattr(blas, p + "ger")(alpha, x, y, a=e))
            keep(f"{name} extreme {alpha}", getattr(blas, p + "symv")(alpha, e, x), getattr(blas, p + "symv")(alpha, e, x, lower=1),
                 getattr(blas, p + "gemv")(alpha, e, x), getattr(blas, p + "gemv")(alpha, e, x, trans=1))

# What is computed number by number is the same to the last bit; what is equal may be in another order.
bits = numbers.integers(0, 2**64, 20_000, dtype=np.uint64).view(np.float64)
plain = np.concatenate([numbers.standard_normal(50_000) * s for s in (0.1, 1, 10, 300)])
special = np.array([0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 709.78, 709.79, -745.13, -745.14, 512, -512, 1024, 1, 20, 0.5493, 0.2554] * 40)
for name, x in (("bits", bits), ("plain", plain), ("special", special), ("strided", plain[::3]), ("back", plain[::-1]), ("near", 1 + plain[:50_000] / 100)):
    with np.errstate(all="ignore"):
        keep(f"same {name}", np.exp(x), np.log(x), np.log(np.abs(x)), np.tanh(x))
        y = x.copy()
        np.exp(y, out=y)
        keep(f"same {name} in place", y)
for kind in (np.float64, np.float32, np.int64, np.int32, np.uint64, np.uint32):
    for n in (100, 511, 513, 3000, 200_000):
        x = (numbers.standard_normal(n) * 1e6).astype(np.int64).astype(kind)
        keep(f"same sort {np.dtype(kind).name} {n}", np.sort(x), np.sort(x % 7), np.sort(x[::-1]), np.sort(np.sort(x)), np.median(x))
        if kind in (np.float64, np.float32):
            x[::7], x[1::7], x[2::9] = np.nan, np.inf, -np.inf
            keep(f"same sort {np.dtype(kind).name} {n} odd", np.sort(x))
np.savez(sys.argv[1], **results)
print(len(results))
