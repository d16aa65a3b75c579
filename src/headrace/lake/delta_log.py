"""The log of one Delta table: what is in the table at a version, and the step to the next one."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from headrace.errors import ConflictError, NotFoundError
from headrace.ids import new_id
from headrace.lake.faults import reading
from headrace.lake.table import OFFSET, PARTITION

__all__ = ["DAY", "EMPTY", "DataFile", "DeltaLog", "State", "publish"]

DAY = "_day"
"""The partition column of every table: the day (UTC) that the rows arrived."""
CHECKPOINT_EVERY = 100
"""Commits between checkpoints: opening a table replays at most so many."""
_OUR_NAME = re.compile(r".*/[0-9a-f]{32}\.parquet")
_PLAIN = {"add", "txn", "commitInfo"}
_CONFIGURATION = {
    "delta.appendOnly": "true",
    "delta.enableExpiredLogCleanup": "false",  # a training set may pin any version
    "delta.checkpointInterval": "100000000",  # DeltaLog.checkpoint decides when
}


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file of a table. `partitions` and `offsets` are (lowest, highest); None if the log doesn't say."""

    path: str
    rows: int
    size: int
    day: str
    partitions: tuple[int, int] | None
    offsets: tuple[int, int] | None

    @property
    def in_order(self) -> bool:
        """Whether its rows are in the order of arrival: they are in files that an append wrote, not in those of another tool."""
        return _OUR_NAME.fullmatch(self.path) is not None

    def add(self) -> dict[str, Any]:
        """The log's action that brings the file in."""
        stats: dict[str, Any] = {"numRecords": self.rows, "minValues": {}, "maxValues": {}, "nullCount": {}}
        for name, bounds in ((PARTITION, self.partitions), (OFFSET, self.offsets)):
            if bounds is not None:
                stats["minValues"][name], stats["maxValues"][name] = bounds
                stats["nullCount"][name] = 0
        return {
            "path": self.path,
            "partitionValues": {DAY: self.day},
            "size": self.size,
            "modificationTime": time.time_ns() // 1_000_000,
            "dataChange": True,
            "stats": json.dumps(stats),
        }

    @classmethod
    def from_add(cls, add: Mapping[str, Any]) -> DataFile:
        """The file that an action of the log brings in."""
        stats = json.loads(add.get("stats") or "{}")
        low, high = stats.get("minValues", {}), stats.get("maxValues", {})
        return cls(
            path=unquote(add["path"]),
            rows=stats["numRecords"],
            size=add["size"],
            day=add["partitionValues"][DAY],
            partitions=_bounds(low.get(PARTITION), high.get(PARTITION)),
            offsets=_bounds(low.get(OFFSET), high.get(OFFSET)),
        )


@dataclass(frozen=True)
class State:
    """A table at one version.

    Attributes:
        version: -1 for a table that doesn't exist.
        schema: the columns, the partition column included.
        files: oldest first.
        checkpoint: the version of the newest checkpoint; -1 if there is none.
        newer: transactions since `base` was loaded.
    """

    version: int = -1
    schema: pa.Schema = field(default_factory=lambda: pa.schema([]))
    files: tuple[DataFile, ...] = ()
    checkpoint: int = -1
    newer: Mapping[str, int] = field(default_factory=dict)
    base: DeltaTable | None = None

    def transaction(self, name: str) -> int | None:
        """The number that the last commit with this application transaction carried; None if there was none."""
        if name in self.newer or self.base is None:
            return self.newer.get(name)
        return self.base.transaction_version(name)

    def after(self, files: Sequence[DataFile], transactions: Mapping[str, int]) -> State:
        """The state one commit later."""
        return replace(
            self,
            version=self.version + 1,
            files=(*self.files, *files),
            newer={**self.newer, **transactions} if transactions else self.newer,
        )


EMPTY = State()


class DeltaLog:
    """Reads and extends one table's log.

    An append writes its own commit file (an add per Parquet file, a txn per transaction) and follows the commits of others by
    reading theirs, so its cost doesn't grow with the table's past. Everything else (opening, checkpoints, old versions, schema
    changes) goes through `deltalake`, which lists and replays the log.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._log = root / "_delta_log"

    def load(self, version: int | None = None) -> State:
        """The table now or at a version, EMPTY if it doesn't exist. Raises NotFoundError, IntegrityError."""
        with reading(f"the log of the lake table {self.root}"):
            if not self._log.is_dir():
                return EMPTY
            if version is not None and not self._commit_file(version).exists():
                msg = f"the lake table {self.root.name!r} has no version {version}"
                raise NotFoundError(msg)
            try:
                table = DeltaTable(self.root, version=version)
            except TableNotFoundError:
                return EMPTY
            return State(table.version(), pa.schema(table.schema().to_arrow()), _files(table), self._checkpoint(), {}, table)

    def refresh(self, state: State) -> State:
        """The table now, from an earlier state of it."""
        if state.version < 0:
            return self.load()
        while (actions := self._read(state.version + 1)) is not None:
            if any(_PLAIN.isdisjoint(action) for action in actions):
                return self.load()
            files = [DataFile.from_add(action["add"]) for action in actions if "add" in action]
            state = state.after(files, {a["txn"]["appId"]: a["txn"]["version"] for a in actions if "txn" in a})
        return state

    def create(self, schema: pa.Schema) -> State:
        """Make the table, unless somebody else just did."""
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            DeltaTable.create(self.root, schema, mode="ignore", partition_by=[DAY], configuration=_CONFIGURATION)
        except DeltaError:
            if not self._commit_file(0).exists():
                raise
        return self.load()

    def widen(self, state: State, schema: pa.Schema) -> State:
        """The table with the columns that `schema` has and it hasn't. Raises ConflictError if a column changed its type."""
        new = []
        for column in schema:
            place = state.schema.get_field_index(column.name)
            if place < 0:
                new.append(column)
            elif state.schema.field(place).type != column.type:
                msg = (
                    f"column {column.name!r} of the lake table {self.root.name!r} holds {state.schema.field(place).type}, "
                    f"but the source now says {column.type}; give the column or the source another name"
                )
                raise ConflictError(msg)
        if not new:
            return state
        from deltalake import Schema

        DeltaTable(self.root).alter.add_columns(list(Schema.from_arrow(pa.schema(new)).fields))
        return self.load()

    def commit(self, state: State, files: Sequence[DataFile], transactions: Mapping[str, int]) -> State | None:
        """Write the version after `state`, durable when this returns; None if somebody else wrote it first."""
        info = {"timestamp": time.time_ns() // 1_000_000, "operation": "WRITE", "operationParameters": {"mode": "Append"}}
        actions: list[dict[str, Any]] = [{"commitInfo": info}]
        actions += [{"txn": {"appId": name, "version": number}} for name, number in transactions.items()]
        actions += [{"add": file.add()} for file in files]
        data = "".join(json.dumps(action) + "\n" for action in actions).encode()
        if not publish(self._commit_file(state.version + 1), data, replace=False):
            return None
        return state.after(files, transactions)

    def checkpoint(self, state: State) -> State:
        """The same table, with a checkpoint written if enough commits have come since the last."""
        if state.version - state.checkpoint < CHECKPOINT_EVERY:
            return state
        DeltaTable(self.root).create_checkpoint()
        return self.load()

    def _commit_file(self, version: int) -> Path:
        return self._log / f"{version:020}.json"

    def _read(self, version: int) -> list[dict[str, Any]] | None:
        path = self._commit_file(version)
        with reading(f"the commit {path}"):
            try:
                return [json.loads(line) for line in path.read_bytes().splitlines()]
            except FileNotFoundError:
                return None

    def _checkpoint(self) -> int:
        try:
            return int(json.loads((self._log / "_last_checkpoint").read_bytes())["version"])
        except FileNotFoundError:
            return -1


def publish(path: Path, data: bytes, *, replace: bool) -> bool:
    """Make a file appear whole and durable under its name; False if the name is taken and may not be replaced."""
    staged = path.parent.parent / f"_{new_id()}.tmp"
    try:
        with staged.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            staged.replace(path)
        else:
            path.hardlink_to(staged)
    except FileExistsError:
        return False
    finally:
        staged.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return True


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _bounds(low: int | None, high: int | None) -> tuple[int, int] | None:
    return None if low is None or high is None else (low, high)


def _files(table: DeltaTable) -> tuple[DataFile, ...]:
    adds = pa.table(table.get_add_actions(flatten=True))
    empty = [None] * adds.num_rows

    def values(name: str) -> list[Any]:
        return adds.column(name).to_pylist() if name in adds.column_names else empty

    found = zip(
        values("path"),
        values("num_records"),
        values("size_bytes"),
        values(f"partition.{DAY}"),
        zip(values(f"min.{PARTITION}"), values(f"max.{PARTITION}"), strict=True),
        zip(values(f"min.{OFFSET}"), values(f"max.{OFFSET}"), strict=True),
        strict=True,
    )
    files = [
        DataFile(path, rows, size, str(day), _bounds(*partitions), _bounds(*offsets))
        for path, rows, size, day, partitions, offsets in found
    ]
    return tuple(sorted(files, key=lambda file: file.offsets or (-1, -1)))
