"""The list of sagas in the order of their last change: an index, which needs no rebuild.

Tables of a rebuild, and those that were served before, get it too: they may be promoted or returned.
"""

from alembic import op
from sqlalchemy import text

revision = "readmodels_0004"
down_revision = "readmodels_0003"
branch_labels = None
depends_on = None

_SCHEMAS = text(
    """
    SELECT schemaname FROM pg_tables
     WHERE tablename = 'sagas'
       AND schemaname IN ('readmodels', 'readmodels_staging_sagas', 'readmodels_previous_sagas')
    """
)


def upgrade() -> None:
    for schema in op.get_bind().scalars(_SCHEMAS).all():
        op.execute(f"CREATE INDEX IF NOT EXISTS sagas_by_update ON {schema}.sagas (updated_at, position)")


def downgrade() -> None:
    for schema in op.get_bind().scalars(_SCHEMAS).all():
        op.execute(f"DROP INDEX IF EXISTS {schema}.sagas_by_update")
