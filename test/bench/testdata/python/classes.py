class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __add__(self, other):
        return Point(self.x + other.x, self.y + other.y)

    @property
    def size(self):
        return abs(self.x) + abs(self.y)


class Counted(Point):
    made = 0

    def __init__(self, x, y):
        super().__init__(x, y)
        Counted.made += 1


at, seen = Point(0, 0), {}
for i in range(70_000):
    at = at + Counted(i % 7 - 3, i % 5 - 2)
    seen[at.size] = seen.get(at.size, 0) + 1
names = sorted((f"{k:05d}" for k in seen), reverse=True)
print(at.x, at.y, Counted.made, len(seen), names[:2])
