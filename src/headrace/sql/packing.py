"""Many values as one, in the words of each kind of database: texts as one parameter, and all that a run has as one row of packed
columns. A row for each cell costs several times what it costs the database to find it.

PostgreSQL packs numbers as eight bytes each, and texts with a NUL between them, which it has in no text. SQLite packs as JSON, in
which texts and whole numbers stay as they are; other numbers would have fifteen digits there, and are packed by `Doubles`.
"""

from __future__ import annotations

import json
import struct
import sys
from array import array
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

__all__ = ["Doubles", "Packing", "is_one", "listed", "one_of", "packing_of", "read_doubles"]

SQL = sa.ColumnElement[Any]


class Packing(Protocol):
    """How a kind of database packs many values as one, and how they are read."""

    def listed(self, values: Sequence[str]) -> str:
        """Texts as one parameter."""
        ...

    def is_one(self, column: SQL, value: SQL) -> sa.ColumnElement[bool]:
        """Whether a column is one of those."""
        ...

    def by_run(self, table: sa.Table, columns: Sequence[SQL], where: Sequence[sa.ColumnElement[bool]]) -> sa.Select[Any]:
        """A query for what each of the runs of `run_ids` has: its id and packed columns. A run that has nothing has no row."""
        ...

    def texts(self, column: SQL) -> sa.FunctionElement[Any]:
        """A column of texts, packed."""
        ...

    def integers(self, column: SQL) -> SQL:
        """One of whole numbers."""
        ...

    def doubles(self, column: SQL) -> SQL:
        """One of numbers; `read_doubles` reads it."""
        ...

    def by_key(self, key: SQL, columns: Sequence[SQL]) -> sa.FunctionElement[Any]:
        """What some columns have, a list a key, as JSON."""
        ...

    def read_texts(self, packed: Any) -> list[str]:
        """Texts that were packed."""
        ...

    def read_integers(self, packed: Any) -> Sequence[int]:
        """Whole numbers."""
        ...


def packing_of(connection: sa.Connection) -> Packing:
    """That of the database that a connection is to."""
    return _POSTGRESQL if connection.dialect.name == "postgresql" else _SQLITE


def read_doubles(packed: bytes) -> tuple[float, ...]:
    """Numbers that were packed."""
    return struct.unpack(f">{len(packed) // 8}d", packed)


def listed(connection: sa.Connection, values: Sequence[str]) -> str:
    """Texts as the one value that `is_one` looks in."""
    return packing_of(connection).listed(values)


def is_one(connection: sa.Connection, column: SQL, value: SQL) -> sa.ColumnElement[bool]:
    """Whether a column is one of the texts in a value that `listed` made."""
    return packing_of(connection).is_one(column, value)


def one_of(connection: sa.Connection, column: SQL, values: Sequence[str]) -> sa.ColumnElement[bool]:
    """Whether a column is one of these texts, all of them in one parameter: the statement is the same for any number of them."""
    return is_one(connection, column, sa.bindparam(None, listed(connection, values), type_=sa.types.NullType()))


def _loads(text: str) -> Any:
    import orjson  # twice as fast as Python's own; a short script without runs needs neither

    return orjson.loads(text)


class Doubles:
    """SQLite's aggregate function for numbers: eight bytes each, as PostgreSQL sends them."""

    NAME: ClassVar[str] = "headrace_doubles"

    def __init__(self) -> None:
        self._values = array("d")
        self.step = self._values.append

    def finalize(self) -> bytes:
        """The bytes of all."""
        if sys.byteorder == "little":
            self._values.byteswap()
        return self._values.tobytes()


class _SQLite:
    """The Packing of SQLite."""

    def listed(self, values: Sequence[str]) -> str:
        return json.dumps(list(values))

    def is_one(self, column: SQL, value: SQL) -> sa.ColumnElement[bool]:
        return column.in_(sa.select(sa.func.json_each(value).table_valued("value").c.value))

    def by_run(self, table: sa.Table, columns: Sequence[SQL], where: Sequence[sa.ColumnElement[bool]]) -> sa.Select[Any]:
        run_id = table.c.run_id
        return sa.select(run_id, *columns).where(self.is_one(run_id, sa.bindparam("run_ids")), *where).group_by(run_id)

    def texts(self, column: SQL) -> sa.FunctionElement[Any]:
        return sa.func.json_group_array(column)

    def integers(self, column: SQL) -> SQL:
        return sa.func.json_group_array(column)

    def doubles(self, column: SQL) -> SQL:
        return sa.Function(Doubles.NAME, column)

    def by_key(self, key: SQL, columns: Sequence[SQL]) -> sa.FunctionElement[Any]:
        return sa.func.json_group_object(key, sa.func.json_array(*columns))

    def read_texts(self, packed: str) -> list[str]:
        return _loads(packed)  # type: ignore[no-any-return]

    def read_integers(self, packed: str) -> list[int]:
        return _loads(packed)  # type: ignore[no-any-return]


class _PostgreSQL:
    """The Packing of PostgreSQL."""

    def listed(self, values: Sequence[str]) -> str:
        """An array in the database's own words: the driver takes ten times as long to write one."""
        quoted = ['"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values]
        return "{" + ",".join(quoted) + "}"

    def is_one(self, column: SQL, value: SQL) -> sa.ColumnElement[bool]:
        return column == sa.any_(sa.cast(value, postgresql.ARRAY(sa.Text)))

    def by_run(self, table: sa.Table, columns: Sequence[SQL], where: Sequence[sa.ColumnElement[bool]]) -> sa.Select[Any]:
        """Each run is looked up by itself: else the whole table is read for a tenth of its runs."""
        wanted = sa.cast(sa.bindparam("run_ids"), postgresql.ARRAY(sa.Text))
        ids = sa.func.unnest(wanted).table_valued("run_id", name="ids").render_derived()
        packed = [column.label(f"column_{place}") for place, column in enumerate(columns)]
        held = sa.select(*packed).where(table.c.run_id == ids.c.run_id, *where).lateral("held")
        return sa.select(ids.c.run_id, *held.c).select_from(ids.join(held, sa.true())).where(held.c.column_0.is_not(None))

    def texts(self, column: SQL) -> sa.FunctionElement[Any]:
        return sa.func.string_agg(sa.func.textsend(column), sa.literal_column("'\\x00'::bytea"))

    def integers(self, column: SQL) -> SQL:
        return sa.func.string_agg(sa.func.int8send(column), sa.literal_column("''::bytea"))

    def doubles(self, column: SQL) -> SQL:
        return sa.func.string_agg(sa.func.float8send(column), sa.literal_column("''::bytea"))

    def by_key(self, key: SQL, columns: Sequence[SQL]) -> sa.FunctionElement[Any]:
        return sa.func.json_object_agg(key, sa.func.json_build_array(*columns))

    def read_texts(self, packed: bytes) -> list[str]:
        return packed.decode().split("\0")

    def read_integers(self, packed: bytes) -> tuple[int, ...]:
        return struct.unpack(f">{len(packed) // 8}q", packed)


_SQLITE, _POSTGRESQL = _SQLite(), _PostgreSQL()
