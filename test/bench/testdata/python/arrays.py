import numpy as np

n = 300
a = (np.arange(n * n, dtype=np.float64) % 17 / 17).reshape(n, n)
b = (np.arange(n * n, dtype=np.float64) % 23 / 23).reshape(n, n)
for _ in range(6):
    a = (a @ b) / n
x = (np.arange(400_000, dtype=np.float64) * 2654435761) % 1_000_003
print(repr(a.sum()), np.sort(x)[::100_000].tolist(), repr(np.exp(-x / 1e6).sum()))
