"""Checkpoints say who follows the log, with which version, and whether it is paused or parked."""

from pathlib import Path

from alembic import op

from eventstore.schema_files import run_schema_files

revision = "eventstore_0003"
down_revision = "eventstore_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_schema_files(op.get_bind(), Path(__file__).parent / "sql_0003")


def downgrade() -> None:
    raise RuntimeError("a follower that is parked would go on without a word")
