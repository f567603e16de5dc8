"""Restores from a backup, and the positions that are lost with what came after it."""

from pathlib import Path

from alembic import op

from eventstore.schema_files import run_schema_files

revision = "eventstore_0004"
down_revision = "eventstore_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_schema_files(op.get_bind(), Path(__file__).parent / "sql_0004")


def downgrade() -> None:
    raise RuntimeError("positions that were lost could be taken for others")
