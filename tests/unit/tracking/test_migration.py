"""The migration of tracking's tables."""

from __future__ import annotations

import sqlalchemy as sa

from headrace.sql.tables import tracking


def schema_of(engine):
    inspector = sa.inspect(engine)
    return {
        name: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in inspector.get_columns(name)],
            inspector.get_pk_constraint(name)["constrained_columns"],
            sorted(str(key["constrained_columns"]) for key in inspector.get_foreign_keys(name)),
        )
        for name in tables()
    }


def tables():
    return [value.name for value in vars(tracking).values() if isinstance(value, sa.Table)]


def index_names(engine):
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT tbl_name, name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        return {tuple(row) for row in rows if row[0] in tables()}


def test_the_migrated_schema_is_the_declared_one(database):
    declared = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    chosen = [value for value in vars(tracking).values() if isinstance(value, sa.Table)]
    tracking.metadata.create_all(declared, chosen)
    assert schema_of(database.engine) == schema_of(declared)
    assert index_names(database.engine) == index_names(declared)
    declared.dispose()
