"""Schema `readmodels`: rows that projections keep; all of it can be rebuilt from the log.

sagas   one row a saga: what lists and the reconciler ask for, and the fold of its journal without the steps
"""

from alembic import op

revision = "readmodels_0001"
down_revision = None
branch_labels = ("readmodels",)
depends_on = "eventstore_0001"


def upgrade() -> None:
    op.execute("CREATE SCHEMA readmodels")
    op.execute(
        """
        CREATE TABLE readmodels.sagas (
            saga_id      text COLLATE "C" PRIMARY KEY,
            position     bigint      NOT NULL UNIQUE,
            name         text        NOT NULL,
            status       text        NOT NULL,
            named_run    integer     NOT NULL,
            parked_until timestamptz,
            updated_at   timestamptz NOT NULL,
            summary      jsonb       NOT NULL
        )
        """
    )
    op.execute("COMMENT ON COLUMN readmodels.sagas.position IS 'of SagaRequested: the order of lists'")
    op.execute("CREATE INDEX sagas_by_status ON readmodels.sagas (status, position)")
    op.execute("CREATE INDEX sagas_by_name ON readmodels.sagas (name, position)")
    op.execute(
        """
        CREATE INDEX sagas_open ON readmodels.sagas (updated_at)
            WHERE status IN ('queued', 'running', 'waiting', 'compensating')
        """
    )


def downgrade() -> None:
    op.execute("DROP SCHEMA readmodels CASCADE")
