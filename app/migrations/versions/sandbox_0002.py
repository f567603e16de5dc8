"""Schema `sandbox`: the orders of the sandbox supplier, and how it was told to behave.

goods_orders         one row a key, for ever: a cancelled key keeps its row as a tombstone
supplier_behaviour   exactly one row
"""

from alembic import op

revision = "sandbox_0002"
down_revision = "sandbox_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE sandbox.goods_orders (
            key          text PRIMARY KEY,
            sku          text NOT NULL,
            status       text NOT NULL CHECK (status IN ('ordered', 'cancelled')),
            number       text,
            quantity     integer,
            ordered_at   timestamptz,
            cancelled_at timestamptz,
            CHECK (status = 'cancelled' OR number IS NOT NULL AND quantity IS NOT NULL)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE sandbox.supplier_behaviour (
            only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
            operation text    NOT NULL DEFAULT 'order',
            mode      text    NOT NULL DEFAULT 'ok',
            delay_ms  integer NOT NULL DEFAULT 0,
            times     integer CHECK (times >= 0),
            sku       text
        )
        """
    )
    op.execute("INSERT INTO sandbox.supplier_behaviour DEFAULT VALUES")


def downgrade() -> None:
    op.execute("DROP TABLE sandbox.goods_orders, sandbox.supplier_behaviour")
