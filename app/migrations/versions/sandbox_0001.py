"""Schema `sandbox`: the bookings of the sandbox carrier, and how it was told to behave.

bookings    one row a key, for ever: a cancelled key keeps its row as a tombstone
behaviour   exactly one row
"""

from alembic import op

revision = "sandbox_0001"
down_revision = None
branch_labels = ("sandbox",)
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA sandbox")
    op.execute(
        """
        CREATE TABLE sandbox.bookings (
            key          text PRIMARY KEY,
            order_id     text NOT NULL,
            status       text NOT NULL CHECK (status IN ('booked', 'cancelled')),
            tracking     text,
            request      jsonb,
            booked_at    timestamptz,
            cancelled_at timestamptz,
            CHECK (status = 'cancelled' OR tracking IS NOT NULL AND request IS NOT NULL)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE sandbox.behaviour (
            only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
            operation text    NOT NULL DEFAULT 'book',
            mode      text    NOT NULL DEFAULT 'ok',
            delay_ms  integer NOT NULL DEFAULT 0,
            times     integer CHECK (times >= 0),
            order_id  text
        )
        """
    )
    op.execute("INSERT INTO sandbox.behaviour DEFAULT VALUES")


def downgrade() -> None:
    op.execute("DROP SCHEMA sandbox CASCADE")
