"""Reading a lake in a bucket, and merging its files, against what DuckDB with Arrow and deltalake do by themselves.

python benchmarks/lake_in_a_bucket.py [--rows 2000000] [--latency 0.03]

The bucket is a plain HTTP server on loopback that answers ranges as S3 does, each after the latency: what is compared is how
many requests a reader makes and how many at once. Compaction is timed in a folder.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
from deltalake import DeltaTable
from obstore.store import from_url

from headrace.lake.cache import FileCache
from headrace.lake.delta import DeltaLake
from measure import compare, median_seconds

CLAIM = "a bucket is read 1.5x as fast as through Arrow, a second time like a folder; merging files is as fast as deltalake's"

SCHEMA = pa.schema([("user", pa.int64()), ("a", pa.float64()), ("b", pa.float64()), ("c", pa.float64())])
OFFSET = pa.field("_offset", pa.int64())
ASKED = "SELECT count(*), max(_offset), sum(b) FROM {} WHERE user % 2 = 0"


def handler(root: Path, latency: float) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            time.sleep(latency)
            path = root / self.path.partition("?")[0].removeprefix("/bucket/").replace("%3D", "=")
            size = path.stat().st_size
            start, end = 0, size
            asked = re.match(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "")) if body else None
            if asked:
                start = int(asked[1]) if asked[1] else size - int(asked[2])
                end = min(int(asked[2]) + 1, size) if asked[1] and asked[2] else size
            self.send_response_only(206 if asked else 200)
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
            for name, value in (("Content-Length", end - start), ("ETag", '"e"'), ("Accept-Ranges", "bytes")):
                self.send_header(name, str(value))
            self.send_header("Last-Modified", "Sun, 01 Nov 2026 00:00:00 GMT")
            self.end_headers()
            if body:
                self.wfile.flush()
                with path.open("rb") as file:
                    while start < end:
                        start += os.sendfile(self.connection.fileno(), file.fileno(), start, end - start)

    return Handler


class Server(ThreadingHTTPServer):
    request_queue_size = 128


@contextmanager
def bucket(root: Path, latency: float):
    """The port of a server of the folder, in a process of its own."""
    command = [sys.executable, __file__, "--serve", str(root), "--latency", str(latency)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def fill(root: Path, rows: int, appends: int) -> list[str]:
    """A table of one large append and many small ones; its files."""
    rng = np.random.default_rng(0)
    table, first = DeltaLake(root).table("events", SCHEMA), 0
    for count in (rows, *[rows // 100] * appends):
        times = pa.array(np.arange(count)).cast(pa.timestamp("us", tz="UTC"))
        numbers = {name: rng.normal(size=count) for name in "abc"}
        columns = {"user": rng.integers(0, 100_000, count), **numbers, "event_time": times, "available_time": times}
        table.append(pa.table({**columns, "_offset": np.arange(first, first + count)}), partition=0)
        first += count
    return list(table.snapshot().files())


def reads(root: Path, files: list[str], latency: float) -> None:
    paths = [str(Path(file).relative_to(root)) for file in files]
    connection = duckdb.connect()

    def query(source: str) -> tuple:
        return connection.sql(ASKED.format(source)).fetchall()[0]

    def local(found: list[str]) -> tuple:
        return query("read_parquet([" + ", ".join(f"'{path}'" for path in found) + "])")

    with bucket(root, latency) as port, tempfile.TemporaryDirectory() as scratch:
        endpoint = f"http://127.0.0.1:{port}"
        settings = {"endpoint": endpoint, "access_key_id": "k", "secret_access_key": "s", "region": "us-east-1"}
        store = from_url("s3://bucket", config=settings, client_options={"allow_http": True})
        names = {f"s3://bucket/{path}": path for path in paths}
        arrow = pafs.S3FileSystem(
            access_key="k", secret_key="s", region="us-east-1", scheme="http", endpoint_override=f"127.0.0.1:{port}"
        )

        def cold() -> tuple:
            shutil.rmtree(f"{scratch}/copies", ignore_errors=True)
            return local(FileCache(Path(scratch) / "copies").fetch(store, names))

        def warm() -> tuple:
            return local(FileCache(Path(scratch) / "copies").fetch(store, names))

        def through_arrow() -> tuple:
            scan = ds.ParquetFragmentScanOptions(pre_buffer=True)
            kind = ds.ParquetFileFormat(default_fragment_scan_options=scan)
            held = ds.dataset([f"bucket/{path}" for path in paths], filesystem=arrow, format=kind, schema=SCHEMA.append(OFFSET))
            connection.register("held", held)
            return query("held")

        wanted = local(files)
        for way in (cold, warm, through_arrow):
            assert way()[:2] == wanted[:2], "not the same rows"
        first = median_seconds(cold, 3)
        compare("a first read", first, "DuckDB over Arrow's S3 client", median_seconds(through_arrow, 3), at_most=1 / 1.5)
        compare(
            "a second read", median_seconds(warm), "the same files in a folder", median_seconds(lambda: local(files)), at_most=1.5
        )


def merges(root: Path, scratch: Path) -> None:
    def ours() -> None:
        assert DeltaLake(scratch / "ours").optimize("events", lambda *_: None).merged > 10

    def theirs() -> None:
        assert DeltaTable(scratch / "theirs" / "tables" / "events").optimize.compact()["numFilesRemoved"] > 10

    taken = {}
    for work in (ours, theirs):
        times = []
        for _ in range(3):
            shutil.rmtree(scratch / work.__name__, ignore_errors=True)
            shutil.copytree(root, scratch / work.__name__)
            times.append(median_seconds(work, 1))
        taken[work.__name__] = sorted(times)[1]
    compare("merging small files", taken["ours"], "deltalake's compact", taken["theirs"], at_most=1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--appends", type=int, default=60)
    parser.add_argument("--latency", type=float, default=0.03)
    parser.add_argument("--serve", type=Path)
    asked = parser.parse_args()
    if asked.serve:
        server = Server(("127.0.0.1", 0), handler(asked.serve, asked.latency))
        print(server.server_address[1], flush=True)
        server.serve_forever()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "lake"
        files = fill(root, asked.rows, asked.appends)
        size = sum(Path(file).stat().st_size for file in files)
        print(f"  {len(files)} files, {size / 1e6:.0f} MB, {asked.latency * 1e3:.0f} ms before each answer")
        reads(root, files, asked.latency)
        merges(root, Path(folder))


if __name__ == "__main__":
    main()
