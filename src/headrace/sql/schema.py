"""The whole schema of this release, for a catalog that is made now: what all migrations would make of an empty one, at once."""

from __future__ import annotations

import time

import sqlalchemy as sa

from headrace.sql.tables import HEAD, accounts, definitions, features, metadata, observations, registry, tracking, webhooks

__all__ = ["create", "metadata"]

_DOMAINS = (accounts, definitions, features, observations, registry, tracking, webhooks)
"""Their tables are in `metadata` once they are imported."""

_APPEND_ONLY = {
    "sqlite": (
        "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END",
        "CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END",
        # INSERT OR REPLACE deletes without firing the trigger on deletes.
        (
            "CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit "
            "WHEN EXISTS (SELECT 1 FROM audit WHERE subject = NEW.subject AND seq = NEW.seq) "
            "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
        ),
    ),
    "postgresql": (
        (
            "CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END $$"
        ),
        (
            "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()"
        ),
    ),
}
"""As they are now. The migration that brought them says what they were, and stays as it is."""

_alembic_version = sa.Table(
    "alembic_version",
    sa.MetaData(),  # Alembic's own, no part of the schema
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def create(connection: sa.Connection) -> None:
    """Make every table, its triggers and first rows in an empty database, and note that it is at the newest migration."""
    metadata.create_all(connection, checkfirst=False)
    for statement in _APPEND_ONLY[connection.dialect.name]:
        connection.exec_driver_sql(statement)
    now = time.time_ns() // 1000
    default = {"id": 0, "name": "Default", "artifact_location": "mlflow-artifacts:/0", "lifecycle_stage": "active"}
    connection.execute(definitions.definition_revision.insert(), {"id": 1, "revision": 0})
    connection.execute(tracking.experiments.insert(), {**default, "created": now, "updated": now})
    _alembic_version.create(connection, checkfirst=False)
    connection.execute(_alembic_version.insert(), {"version_num": HEAD})
