"""Tells how well texts answer a query: by how many of its words they have, with a loss for others."""


def predict(query: str, texts: list[str]) -> list[float]:
    asked = set(query.lower().split())
    return [2.0 * len(asked & set(t.lower().split())) - 0.5 * len(t.split()) for t in texts]
