"""Alembic's entry: runs the migrations over the connection, and in the transaction, that `upgrade` opened."""

from __future__ import annotations

from alembic import context

from headrace.sql.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
