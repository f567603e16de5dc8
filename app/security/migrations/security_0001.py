"""Schema `security`: the digests of tokens."""

from pathlib import Path

from alembic import op

from eventstore.schema_files import run_schema_files

revision = "security_0001"
down_revision = None
branch_labels = ("security",)
depends_on = None


def upgrade() -> None:
    run_schema_files(op.get_bind(), Path(__file__).parent / "sql")


def downgrade() -> None:
    op.execute("DROP SCHEMA security CASCADE")
