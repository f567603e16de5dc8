"""Alembic revisions of the seals. Their SQL is in `sql/`, mapped by 01_seals.sql."""
