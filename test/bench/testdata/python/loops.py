total = 0
for i in range(900_000):
    total = (total * 31 + i) & 0xFFFFFF
primes = [n for n in range(2, 6_000) if all(n % d for d in range(2, int(n**0.5) + 1))]
print(total, len(primes))
