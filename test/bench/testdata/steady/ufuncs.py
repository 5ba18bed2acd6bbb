import numpy as np

x = np.arange(120_000, dtype=np.float64) % 1009 / 7 + 1
total = 0.0
for _ in range(3):
    y = np.sqrt(x) * 3 + np.log(x) - np.exp(-x / 50)
    z = np.where(y > 5, np.minimum(y, x), np.maximum(y, -x))
    total += float((np.abs(np.sin(z)) + np.floor(x) * (z != y)).sum())
    total += float(np.add.reduce(np.arange(400_000) & 255))
for i in range(4_000):  # small arrays: what a call costs
    total += float(np.multiply(np.add(x[i:i + 8], 1.5), 2.0)[3])
print(repr(total))
