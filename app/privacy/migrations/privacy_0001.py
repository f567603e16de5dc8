"""Schema `privacy`: the keys that personal data is encrypted with."""

from pathlib import Path

from alembic import op

from eventstore.schema_files import run_schema_files

revision = "privacy_0001"
down_revision = None
branch_labels = ("privacy",)
depends_on = None


def upgrade() -> None:
    run_schema_files(op.get_bind(), Path(__file__).parent / "sql")


def downgrade() -> None:
    raise RuntimeError("no migration drops keys: what they encrypt could never be read again")
