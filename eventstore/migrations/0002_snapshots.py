"""Snapshots keep their JSON as it was written."""

from pathlib import Path

from alembic import op

from eventstore.schema_files import run_schema_files

revision = "eventstore_0002"
down_revision = "eventstore_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_schema_files(op.get_bind(), Path(__file__).parent / "sql_0002")


def downgrade() -> None:
    op.execute("alter table eventstore.snapshots alter column state type jsonb")
