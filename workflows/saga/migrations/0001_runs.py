"""What the kernel adds to the event store: appends that start runs, and the count of attempts."""

from pathlib import Path

from alembic import op

from eventstore.schema_files import run_schema_files

revision = "saga_0001"
down_revision = None
branch_labels = ("saga",)
depends_on = "eventstore_0001"


def upgrade() -> None:
    run_schema_files(op.get_bind(), Path(__file__).parent / "sql")


def downgrade() -> None:
    raise RuntimeError("no migration takes the saga kernel out of a database that has sagas")
