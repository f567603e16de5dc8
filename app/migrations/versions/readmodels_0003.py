"""Read models `orders`, `stock` and `accounts`: empty; their projections read the log from its beginning."""

from alembic import op

from app.readmodels.projections import tables_file
from eventstore.projections import LIVE_SCHEMA
from eventstore.schema_files import run_in_schema

revision = "readmodels_0003"
down_revision = "readmodels_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("orders", "stock", "accounts"):
        run_in_schema(op.get_bind(), tables_file(name), LIVE_SCHEMA)


def downgrade() -> None:
    op.execute(
        """
        DROP TABLE readmodels.orders, readmodels.stock, readmodels.stock_reservations,
            readmodels.accounts, readmodels.account_holds, readmodels.account_movements
        """
    )
