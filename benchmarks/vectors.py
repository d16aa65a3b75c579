"""The 10 nearest of 100,000 vectors of 64 numbers with their features, against DuckDB's exact search and a bare NumPy product.

python benchmarks/vectors.py [--rows 100000]
"""

from __future__ import annotations

import argparse
import tempfile

import duckdb
import numpy as np
import pyarrow as pa

import headrace as hr
from measure import compare, median_seconds

CLAIM = "exact nearest neighbours online within 10 ms, and faster than DuckDB's exact search"

SIZE, ASKED = 64, 20
LIMIT = 0.010
"""Seconds."""


def definitions() -> hr.FeatureView:
    schema = {"k": "int64", "genre": "int64", "embedding": f"vector[{SIZE}]", "at": "timestamp"}
    source = hr.TableSource("items", timestamp="at", stream="items", schema=schema)
    features = {"embedding": "embedding", "genre": "genre"}
    group = hr.FeatureGroup("items", entity=hr.Entity("item", keys={"k": "int64"}), source=source, features=features)
    return hr.FeatureView("items", features=[group])


def frame(keys: np.ndarray, vectors: np.ndarray) -> dict:
    at = np.full(len(keys), np.datetime64("now", "us"))
    return {"k": keys, "genre": keys % 10, "embedding": vectors, "at": at}


def duckdb_search(vectors: np.ndarray):
    connection = duckdb.connect()
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), SIZE)
    rows = pa.table({"k": np.arange(len(vectors)), "genre": np.arange(len(vectors)) % 10, "embedding": column})
    connection.register("__rows", rows)
    connection.execute("CREATE TABLE items AS FROM __rows")

    def search(asked: np.ndarray, where: str) -> list[int]:
        distance = f"array_cosine_distance(embedding, $1::FLOAT[{SIZE}])"
        sql = f"SELECT k, {distance} AS d FROM items WHERE {where} ORDER BY d, k LIMIT 10"
        return [row[0] for row in connection.execute(sql, [asked.tolist()]).fetchall()]

    return search


def numpy_search(vectors: np.ndarray):
    lengths = np.linalg.norm(vectors, axis=1)

    def search(asked: np.ndarray) -> np.ndarray:
        scores = vectors @ asked / lengths
        top = np.argpartition(-scores, 10)[:10]
        return top[np.argsort(-scores[top])]

    return search


def each(work, asked: np.ndarray) -> float:
    """The median seconds of a search."""
    turns = iter(np.tile(asked, (10, 1)))
    return median_seconds(lambda: work(next(turns)), repeat=5 * ASKED)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    count = parser.parse_args().rows
    rng = np.random.default_rng(1)
    vectors, asked = (rng.normal(size=(n, SIZE)).astype(np.float32) for n in (count, ASKED))
    peer, bare = duckdb_search(vectors), numpy_search(vectors)
    with tempfile.TemporaryDirectory() as folder, hr.connect(folder) as store:
        store.apply([definitions()])
        store.write("items", frame(np.arange(count), vectors))
        store.materialize()
        built = median_seconds(lambda: store.nearest("items", asked[0]), repeat=1)
        print(f"  the first search fills the index: {built:.2f} s for {count:,} vectors")
        for vector in asked:
            found = store.nearest("items", vector).keys["k"]
            assert found == peer(vector, "TRUE") == bare(vector).tolist(), "not the same neighbours"
        plain = each(lambda vector: store.nearest("items", vector), asked)
        filtered = each(lambda vector: store.nearest("items", vector, where="genre = 3"), asked)
        compare("10 nearest", plain, "the limit of 10 ms", LIMIT, at_most=1)
        compare("10 nearest", plain, "DuckDB", each(lambda vector: peer(vector, "TRUE"), asked), at_most=1)
        compare("10 nearest", plain, "a bare NumPy product", each(bare, asked), at_most=3)
        compare("10 nearest of a tenth", filtered, "DuckDB", each(lambda vector: peer(vector, "genre = 3"), asked), at_most=4)

        def push_and_search() -> None:
            keys = rng.integers(0, count, 10)
            store.push("items", frame(keys, rng.normal(size=(10, SIZE)).astype(np.float32)))
            store.nearest("items", asked[0])

        push = median_seconds(lambda: store.push("items", frame(np.arange(10), vectors[:10])), repeat=20)
        print(f"  a push of 10 vectors and a search that sees them: {median_seconds(push_and_search, 20) * 1e3:.1f} ms")
        print(f"  the push alone: {push * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
