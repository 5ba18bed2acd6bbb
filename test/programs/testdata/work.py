"""What people do with Python: the same lines on every build of it."""
import csv, datetime, decimal, fractions, hashlib, io, json, os, random, re, sqlite3, sys, unittest, zlib

folder = sys.argv[1]
os.chdir(folder)

records = [{"id": i, "name": f"n{i:03}", "tags": ["é", "𝛑"], "ratio": i / 7} for i in range(100)]
text = json.dumps(records, ensure_ascii=False, sort_keys=True)
assert json.loads(text) == records
print("json", len(text), hashlib.sha256(text.encode()).hexdigest()[:16])

with decimal.localcontext() as context:
    context.prec = 60
    print("decimal", decimal.Decimal(2).sqrt(), decimal.Decimal(1) / 7)
print("fractions", sum(fractions.Fraction(1, n) for n in range(1, 30)))

db = sqlite3.connect("people.db")
db.execute("create table people(id integer primary key, name text, ratio real)")
with db:
    db.executemany("insert into people values (:id, :name, :ratio)", records)
try:
    with db:
        db.execute("delete from people")
        db.execute("insert into people values (1, 'a', 1), (1, 'b', 2)")
except sqlite3.IntegrityError as error:
    print("sqlite", error)
db.close()
db = sqlite3.connect("people.db")
print("sqlite", db.execute("select count(*), max(name), round(sum(ratio), 6) from people").fetchone())
db.close()

packed = zlib.compress(text.encode() * 50, 9)
print("zlib", zlib.crc32(packed) == zlib.crc32(packed), zlib.decompress(packed)[:20])
with open("table.csv", "w", newline="") as f:
    csv.writer(f).writerows([[r["id"], r["name"]] for r in records])
print("csv", sum(int(row[0]) for row in csv.reader(open("table.csv", newline=""))))
print("re", re.sub(r"(?P<year>\d{4})-(\d\d)", r"\2/\g<year>", "2026-11 and 1999-12"))
print("random", random.Random(7).sample(range(1000), 5))
print("date", datetime.date(2024, 2, 28) + datetime.timedelta(days=2))

os.makedirs("a/b/c", exist_ok=True)
os.rename("table.csv", "a/b/c/moved.csv")
os.symlink("c/moved.csv", "a/b/link")
print("os", sorted(os.path.join(d, f) for d, _, files in os.walk("a") for f in files), os.stat("a/b/link").st_size)
try:
    open("absent")
except FileNotFoundError as error:
    print("error", error.strerror, error.filename)


def deep(n):
    return deep(n + 1)


try:
    deep(0)
except RecursionError as error:
    print("recursion", str(error)[:32])


class Works(unittest.TestCase):
    def test_sum(self):
        self.assertEqual(sum(range(1000)), 499500)

    def test_fails(self):
        self.assertIn(3, [1, 2], "as it should")

    @unittest.skip("on purpose")
    def test_skipped(self):
        pass


report = io.StringIO()
result = unittest.TextTestRunner(report).run(unittest.defaultTestLoader.loadTestsFromTestCase(Works))
print("unittest", result.testsRun, len(result.failures), len(result.skipped), result.wasSuccessful())
print("stdin", sys.stdin.read().upper())
sys.exit(7)
