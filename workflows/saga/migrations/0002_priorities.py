"""Appends tell DBOS the priority of the runs that they start."""

from pathlib import Path

from alembic import op

from eventstore.schema_files import run_schema_files

revision = "saga_0002"
down_revision = "saga_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_schema_files(op.get_bind(), Path(__file__).parent / "sql_0002")


def downgrade() -> None:
    raise RuntimeError("executors that tell priorities may be at work")
