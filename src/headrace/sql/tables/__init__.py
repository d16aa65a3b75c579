"""The tables of the catalog, one module a domain."""

from sqlalchemy import MetaData

__all__ = ["HEAD", "metadata"]

HEAD = "0020"
"""The newest migration, which makes them as they are here. To open an up-to-date catalog, Alembic isn't asked."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
