"""Schema `security`: sessions of browsers."""

from pathlib import Path

from alembic import op

from eventstore.schema_files import run_schema_files

revision = "security_0002"
down_revision = "security_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_schema_files(op.get_bind(), Path(__file__).parent / "sql_0002")


def downgrade() -> None:
    op.execute("DROP FUNCTION security.begin_session, security.find_session, security.end_session")
    op.execute("DROP TABLE security.sessions")
