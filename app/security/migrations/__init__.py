"""Alembic revisions of the keys of personal data. Their SQL is in `sql/`."""
