"""What runs in the process of a model: loads it, tries its example, then predicts batch after batch until nobody asks any more.

Nothing here can hurt the service: a model that raises is told, one that hangs is killed from outside, one that eats memory meets
a limit of its own process.
"""

from __future__ import annotations

import contextlib
import gc
import json
import resource
import socket
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson

from headrace.errors import HeadraceError, InvalidInputError
from headrace.flavors.loaded import LoadedModel
from headrace.flavors.saving import load_model
from headrace.flavors.signature import Signature
from headrace.serving.inputs import array_type, make_array, make_frame, typed
from headrace.serving.messages import LOAD, METHODS, framed, messages, pack

__all__ = ["EXAMPLE", "serve"]

EXAMPLE = "example.json"
Columns = dict[str, list[Any]]
Outcome = tuple[bool, bytes | tuple[str, str]]
"""Whether a request went well, and its predictions as JSON, or else the kind of its error and what it says."""


def serve(channel: socket.socket) -> None:
    """Answer the messages of a socket until its other end is closed."""
    worker = _Worker()
    for kind, *rest in messages(channel):
        answer = worker.load(*rest) if kind == LOAD else worker.predict(*rest)
        channel.sendall(framed([pack(answer)]))


class _Worker:
    def __init__(self) -> None:
        self._model: LoadedModel | None = None
        self._kinds: dict[str, tuple[str, str]] = {}
        self._array = ""
        self._names: list[str] = []

    def load(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Load the model and predict its example. Says what went wrong, or how long it took and which modules that brought."""
        began, before = time.perf_counter(), set(sys.modules)
        try:
            _limit_memory(asked["memory"])
            self._model = self._load(asked)
            tried = self._try_example(Path(asked["folder"]), self._model)
            gc.collect()
            gc.freeze()  # the model stays: to look through it again and again would hold up requests
        except BaseException as error:  # noqa: BLE001 - a stranger's model may raise anything, SystemExit too
            return {"error": _told(error)}
        brought = sorted(name for name in set(sys.modules) - before if "__" not in name)
        return {"seconds": time.perf_counter() - began, "example": tried, "modules": brought}

    def _load(self, asked: Mapping[str, Any]) -> LoadedModel:
        signature = None if asked["signature"] is None else Signature.from_spec(asked["signature"])
        self._kinds = typed(asked["features"], {column.name: column.type for column in signature.inputs} if signature else {})
        return load_model(
            Path(asked["folder"]),
            flavor=asked["flavor"],
            serializer=asked["serializer"],
            details=asked["details"],
            signature=signature,
            allow_pickle=asked["allow_pickle"],
        )

    def _try_example(self, folder: Path, model: LoadedModel) -> bool:
        path = folder / EXAMPLE
        if not path.is_file():
            return False
        stored = json.loads(path.read_text(encoding="utf-8"))
        columns = {str(name): [row[place] for row in stored["data"]] for place, name in enumerate(stored["columns"])}
        frame = make_frame(columns, self._kinds)
        found = model.predict(frame)
        if len(found) != len(stored["data"]):
            msg = f"the model gave {len(found)} predictions for the {len(stored['data'])} rows of its example"
            raise InvalidInputError(msg)
        self._try_array(model, columns, frame)
        return True

    def _try_array(self, model: LoadedModel, columns: Columns, frame: Any) -> None:
        """Whether an array does in place of a frame, which takes longer to make and to check than most models to predict: if the
        flavor says that columns count by their order alone, and the model says the same of its example, bit for bit."""
        names = list(model.signature.names) if model.signature is not None else []
        dtype = array_type([self._kinds[name] for name in names])
        if not dtype or not model.by_position or list(columns) != names:
            return
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        with contextlib.suppress(Exception):  # a model that can't take an array is given the frame, as before
            array = make_array(columns, dtype)
            methods = [method for method in METHODS if hasattr(model.model, method)]
            if all(_same(model.call(method, frame), model.call_prepared(method, lambda: array)) for method in methods):
                self._array, self._names = dtype, names

    def predict(self, requests: Sequence[tuple[str, Columns]]) -> list[Outcome]:
        """Answer requests; those that ask for the same of the same columns in one call of the model."""
        groups: dict[tuple[str, ...], list[int]] = {}
        for place, (method, columns) in enumerate(requests):
            groups.setdefault((method, *columns), []).append(place)
        answers: dict[int, Outcome] = {}
        for (method, *names), places in groups.items():
            found = self._together(method, names, [requests[place][1] for place in places])
            answers.update(zip(places, found, strict=True))
        return [answers[place] for place in range(len(requests))]

    def _together(self, method: str, names: Sequence[str], requests: Sequence[Columns]) -> list[Outcome]:
        if len(requests) == 1:
            return [self._alone(method, requests[0])]
        sizes = [_rows(columns) for columns in requests]
        try:
            joined = {name: [value for columns in requests for value in columns[name]] for name in names}
            found = self._call(method, joined)
            if len(found) == sum(sizes):
                return [(True, text) for text in _cut(found, sizes)]
        except BaseException:  # noqa: BLE001, S110 - one of them is to blame: each is asked alone
            pass
        return [self._alone(method, columns) for columns in requests]

    def _alone(self, method: str, columns: Columns) -> Outcome:
        try:
            return True, _text(self._call(method, columns))
        except BaseException as error:  # noqa: BLE001 - a stranger's model may raise anything
            return False, _told(error)

    def _call(self, method: str, columns: Columns) -> Any:
        assert self._model is not None  # noqa: S101 - for the type checker: nobody asks before it is loaded
        if self._array and list(columns) == self._names:
            return self._model.call_prepared(method, lambda: make_array(columns, self._array))
        return self._model.call(method, make_frame(columns, self._kinds))


def _same(one: Any, other: Any) -> bool:
    import numpy as np

    left, right = np.asarray(one), np.asarray(other)
    return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()


def _rows(columns: Columns) -> int:
    return len(next(iter(columns.values()), []))


def _cut(found: Any, sizes: Sequence[int]) -> list[bytes]:
    """Predictions of several requests as the JSON of each."""
    rows = found.iloc if hasattr(found, "iloc") else found
    ends = [0]
    for size in sizes:
        ends.append(ends[-1] + size)
    return [_text(rows[start:end]) for start, end in pairwise(ends)]


def _text(found: Any) -> bytes:
    """Predictions as JSON: a list with one member a row; of a frame an object a row. NaN is null."""
    if hasattr(found, "to_dict") and hasattr(found, "columns"):
        found = found.to_dict(orient="records")
    elif hasattr(found, "to_numpy"):
        found = found.to_numpy()
    elif hasattr(found, "toarray"):  # a sparse matrix
        found = found.toarray()
    return orjson.dumps(found, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


def _plain(value: Any) -> Any:
    for method in ("tolist", "isoformat"):
        if hasattr(value, method):
            return getattr(value, method)()
    return str(value)


def _told(error: BaseException) -> tuple[str, str]:
    if isinstance(error, HeadraceError):
        return type(error).__name__, str(error)
    if isinstance(error, MemoryError):
        return (
            "ModelError",
            "the model needs more memory than its process may take; raise --memory-mb, or send fewer rows at once",
        )
    return "ModelError", f"the model raised {type(error).__name__}: {str(error)[:1000]}"


def _limit_memory(megabytes: int) -> None:
    """What the process may take from here on; where the system can't limit data, the service still outlives it."""
    if megabytes:
        with contextlib.suppress(ValueError, OSError):
            limit = megabytes << 20
            resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.getrlimit(resource.RLIMIT_DATA)[1]))
