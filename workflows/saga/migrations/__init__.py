"""Alembic revisions of the schema `saga`, on top of the event store's. Its SQL is in `sql/`."""
