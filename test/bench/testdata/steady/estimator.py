said = 0
for i in range(250):
    said += int((model.predict(rows[i:i + 3]) == "one").sum())  # noqa: F821, both are given
for _ in range(20):
    said += int((model.predict_proba(rows)[:, 0] > 0.5).sum())  # noqa: F821
print(said)
