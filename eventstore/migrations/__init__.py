"""Alembic revisions of the schema `eventstore`. Its SQL is in `sql/`, mapped by 01_schema.sql."""
