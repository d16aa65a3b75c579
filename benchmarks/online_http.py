"""Online reads over HTTP by wrk, one worker each: ours on the embedded store and on Redis, a bare endpoint of Starlette that
sends back a body of the same size, and Feast's feature server on the same Redis. Every server is asked alone, in turn.

    python benchmarks/online_http.py [--seconds 3] [--shape 1x10 …]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from online import ENTITIES, SIZES, columns, frame
from peers import WORK, python_of

CLAIM = (
    "within 2x of a bare endpoint with a body of the same size; against Feast on Redis 5x the requests at 1 x 10, 30x at 100 x 50"
)

SHAPES = {"1x10": (1, ["v1"]), "1x50": (1, list(SIZES)), "100x50": (100, list(SIZES))}
CLIENTS = (1, 8)
AGAINST_FEAST = {"1x10": 1 / 5, "1x50": 1 / 5, "100x50": 1 / 30}
AGAINST_BARE = 2.0
REQUESTS = 200
WARM_UP = 1
FOLDER = WORK / "http"
NATIVE, FEAST = "/api/v1/features/online", "/get-online-features"

DONE = """
function done(summary, latency)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write
  io.write(string.format('\\nJSON{"requests":%d,"micros":%d,"bad":%d,"p50":%d,"p99":%d}', summary.requests, summary.duration, bad,
                         latency:percentile(50), latency:percentile(99)))
end
"""
BARE = """
import orjson, sys
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

BODY = open(sys.argv[2], "rb").read()

async def answer(request):
    orjson.loads(await request.body())
    return Response(BODY, media_type="application/json")

app = Starlette(routes=[Route("/", answer, methods=["POST"])])

import uvicorn
uvicorn.run(app, port=int(sys.argv[1]), http="httptools", loop="uvloop", access_log=False, log_level="error")
"""


def bodies(shape: str) -> dict[str, list[str]]:
    """Path to the requests sent there."""
    count, groups = SHAPES[shape]
    chosen = random.Random(5)
    asked = [{"user_id": [chosen.randrange(ENTITIES) for _ in range(count)]} for _ in range(REQUESTS)]
    view = "ten" if len(groups) == 1 else "fifty"
    features = [f"{group}:{column}" for group in groups for column in columns(group)]
    return {
        NATIVE: [json.dumps({"view": view, "entities": entities}) for entities in asked],
        FEAST: [json.dumps({"features": features, "entities": entities}) for entities in asked],
    }


def script(name: str, requests: list[str]) -> Path:
    """A wrk script that sends these in turn."""
    lines = ",\n".join(f"[==[{body}]==]" for body in requests)
    text = (
        f"local bodies = {{\n{lines}\n}}\nlocal place = 0\n"
        'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
        "function request() place = place % #bodies + 1; return wrk.format(nil, nil, nil, bodies[place]) end\n" + DONE
    )
    path = FOLDER / f"{name}.lua"
    path.write_text(text, encoding="utf-8")
    return path


def load(url: str, lua: Path, clients: int, seconds: float) -> dict[str, float]:
    """Seconds per request, and the median and 99th percentile, of one run of wrk after a short one."""
    for duration in (WARM_UP, seconds):
        command = ["wrk", "-t1", f"-c{clients}", f"-d{max(1, round(duration))}s", "--timeout", "30s", "-s", str(lua), url]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = json.loads(said.rpartition("JSON")[2])
    if found["bad"] or not found["requests"]:
        msg = f"{url}: {found}\n{said}"
        raise RuntimeError(msg)
    return {"each": found["micros"] / found["requests"] / 1e6, "p50": found["p50"] / 1e6, "p99": found["p99"] / 1e6}


def measured(url: str, lua: Path, seconds: float, name: str) -> dict[int, dict[str, float]]:
    """`load` by number of clients, told."""
    found = {clients: load(url, lua, clients, seconds) for clients in CLIENTS}
    for clients, one in found.items():
        told = f"{1 / one['each']:,.0f} requests/s, p50 {one['p50'] * 1e3:.2f} ms, p99 {one['p99'] * 1e3:.2f} ms"
        print(f"  {name}, {clients} clients: {told}", flush=True)
    return found


def post(url: str, body: str) -> bytes:
    request = urllib.request.Request(url, body.encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def make_project(folder: Path, environment: dict[str, str]) -> None:
    """A project with three groups of 10, 20 and 20 features and 20,000 users online."""
    import headrace as hr

    os.environ.update(environment)
    folder.mkdir(parents=True)
    (folder / "headrace.toml").touch()
    user = hr.Entity("user", keys={"user_id": "int64"})
    groups = {}
    for name in SIZES:
        schema = {"user_id": "int64", "event_timestamp": "timestamp", **columns(name)}
        source = hr.TableSource(name, timestamp="event_timestamp", schema=schema)
        groups[name] = hr.FeatureGroup(name, entity=user, source=source, features={column: column for column in columns(name)})
    with hr.connect(folder) as store:
        store.apply([hr.FeatureView("ten", features=[groups["v1"]]), hr.FeatureView("fifty", features=list(groups.values()))])
        for name in SIZES:
            store.write(name, frame(name, ENTITIES, ENTITIES, 7))
        store.materialize()
    for name in environment:
        del os.environ[name]


def make_repository(folder: Path, redis_port: str) -> None:
    """The same as a repository of Feast; runs in Feast's environment."""
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
    from feast.types import Float64, Int64, String

    (folder / "feature_store.yaml").write_text(
        f"project: bench\nprovider: local\nregistry: {{path: {folder}/registry.db, cache_ttl_seconds: 600}}\n"
        f"online_store: {{type: redis, connection_string: 'localhost:{redis_port},db=1'}}\noffline_store: {{type: file}}\n"
        "entity_key_serialization_version: 3\n"
    )
    types = {"float64": Float64, "int64": Int64, "string": String}
    store = FeatureStore(str(folder))
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    views = []
    for name in SIZES:
        frame(name, 10, 10, 21).to_parquet(folder / f"{name}.parquet")
        source = FileSource(name=f"source_{name}", path=str(folder / f"{name}.parquet"), timestamp_field="event_timestamp")
        fields = [Field(name="user_id", dtype=Int64), *(Field(name=n, dtype=types[kind]) for n, kind in columns(name).items())]
        views.append(FeatureView(name=name, entities=[user], ttl=timedelta(0), schema=fields, source=source, online=True))
    store.apply([user, *views])
    for name in SIZES:
        rows = frame(name, ENTITIES, ENTITIES, 7)
        for start in range(0, ENTITIES, 5000):
            store.write_to_online_store(name, rows.iloc[start : start + 5000])


@contextmanager
def running(command: list[str], port: int, **environment: str) -> Iterator[str]:
    """A server's address while its process runs."""
    with (FOLDER / "server.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment}, start_new_session=True)
    try:
        for _ in range(600):
            time.sleep(0.1)
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
            except urllib.error.HTTPError:
                break
            except OSError:
                continue
            break
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait(60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement")
    parser.add_argument("--shape", action="append", choices=SHAPES, help="default: all")
    parser.add_argument("--repository", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.repository:
        make_repository(Path(options.repository[0]), options.repository[1])
        return
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from servers.headrace import HeadraceServer
    from servers.ports import free_port
    from servers.redis import redis_server

    shutil.rmtree(FOLDER, ignore_errors=True)
    repository = FOLDER / "feast"
    repository.mkdir(parents=True)
    python = python_of("feast")
    with redis_server() as redis:
        redis_port = redis.rpartition(":")[2].partition("/")[0]
        stores = {"headrace": {}, "headrace on Redis": {"HEADRACE_ONLINE": redis}}
        for name, environment in stores.items():
            make_project(FOLDER / name, environment)
        subprocess.run([python, __file__, "--repository", str(repository), redis_port], check=True, stdout=subprocess.DEVNULL)
        for shape in options.shape or SHAPES:
            print(f" {shape}", flush=True)
            asked = bodies(shape)
            luas = {path: script(f"{shape}{path.replace('/', '-')}", requests) for path, requests in asked.items()}
            found, sizes = {}, {}
            for name, environment in stores.items():
                with HeadraceServer(FOLDER / name, "--no-access-log", environment=environment) as server:
                    for path, label in ((NATIVE, name), (FEAST, f"{name}, Feast's protocol")):
                        answer = post(f"{server.url}{path}", asked[path][0])
                        assert b"NOT_FOUND" not in answer
                        sizes[path] = answer
                        found[label] = measured(f"{server.url}{path}", luas[path], options.seconds, label)
            for path, label in ((NATIVE, "bare"), (FEAST, "bare, Feast's body")):
                (FOLDER / "body").write_bytes(sizes[path])
                (FOLDER / "bare.py").write_text(BARE, encoding="utf-8")
                port = free_port()
                with running([sys.executable, str(FOLDER / "bare.py"), str(port), str(FOLDER / "body")], port) as url:
                    shown = f"{label} ({len(sizes[path]):,} bytes)"
                    found[label] = measured(f"{url}/", luas[path], options.seconds, shown)
            port = free_port()
            served = [str(Path(python).parent / "feast"), "-c", str(repository), "serve", "-p", str(port), "--no-access-log"]
            served += ["-w", "1", "--max-requests", "0", "--max-requests-jitter", "0"]
            with running(served, port, FEAST_USAGE="False") as url:
                assert b"NOT_FOUND" not in post(f"{url}{FEAST}", asked[FEAST][0])
                found["feast"] = measured(f"{url}{FEAST}", luas[FEAST], options.seconds, "feast on Redis")
            tell(shape, found)


def tell(shape: str, found: dict[str, dict[int, dict[str, float]]]) -> None:
    """The comparisons that the claim is about."""
    from measure import compare

    for clients in CLIENTS:
        for name in ("headrace", "headrace on Redis"):
            case = f"{shape}, {clients} clients, {name}"
            compare(case, found[name][clients]["each"], "bare Starlette", found["bare"][clients]["each"], at_most=AGAINST_BARE)
        ours, theirs = found["headrace on Redis, Feast's protocol"][clients], found["feast"][clients]
        case = f"{shape}, {clients} clients, Feast's protocol on Redis"
        compare(case, ours["each"], "feast", theirs["each"], at_most=AGAINST_FEAST[shape])
        compare(f"{case}, p99", ours["p99"], "feast", theirs["p99"], at_most=1.0)


if __name__ == "__main__":
    main()
