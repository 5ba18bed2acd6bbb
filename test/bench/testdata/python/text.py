import json

rows = [{"id": i, "name": f"row {i}", "tags": ["a", "b", str(i % 13)], "value": i / 7} for i in range(4_000)]
size = 0
for _ in range(4):
    text = json.dumps(rows, sort_keys=True)
    rows = json.loads(text)
    size += len(text)
print(size, sum(r["value"] for r in rows))
