"""Seals over the log, and the indexes that sealing and the audit look things up by."""

from pathlib import Path

from alembic import op

from eventstore.schema_files import run_schema_files

revision = "audit_0001"
down_revision = None
branch_labels = ("audit",)
depends_on = "eventstore_0001"


def upgrade() -> None:
    run_schema_files(op.get_bind(), Path(__file__).parent / "sql")


def downgrade() -> None:
    raise RuntimeError("no migration drops seals: restore a backup instead")
