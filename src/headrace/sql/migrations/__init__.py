"""Brings a catalog to the newest schema with Alembic."""
