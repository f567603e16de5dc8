"""An executor says where it runs, what it is beside that, and how many runs it takes at one time."""

from pathlib import Path

from alembic import op

from eventstore.schema_files import run_schema_files

revision = "eventstore_0005"
down_revision = "eventstore_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_schema_files(op.get_bind(), Path(__file__).parent / "sql_0005")


def downgrade() -> None:
    op.execute("alter table eventstore.executors drop column kind, drop column host, drop column slots")
