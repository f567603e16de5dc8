"""The list of sagas by attribute, correlation id, parent and time; when something of a saga is due.

The new columns are made from the row itself, so that they are there for every saga, also one that a server of
the version before writes.

due_at   null for a saga that has ended, is stuck, or sleeps until somebody wakes it: however many there are,
         a scan for those that are overdue does not meet them
"""

from alembic import op

revision = "readmodels_0002"
down_revision = "readmodels_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A cast of text depends on settings in general; of a time with its zone, as we write it, it does not.
    op.execute(
        """
        CREATE FUNCTION readmodels.instant(written text) RETURNS timestamptz
            LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN written::timestamptz
        """
    )
    op.execute(
        """
        ALTER TABLE readmodels.sagas
            ADD COLUMN attributes jsonb NOT NULL
                GENERATED ALWAYS AS (coalesce(summary->'attributes', '{}')) STORED,
            ADD COLUMN correlation_id text NOT NULL
                GENERATED ALWAYS AS (coalesce(summary->>'correlation_id', '')) STORED,
            ADD COLUMN parent text
                GENERATED ALWAYS AS (summary->'parent'->>'saga_id') STORED,
            ADD COLUMN requested_at timestamptz
                GENERATED ALWAYS AS (readmodels.instant(summary->>'requested_at')) STORED,
            ADD COLUMN due_at timestamptz
                GENERATED ALWAYS AS (
                    CASE WHEN status IN ('queued', 'running', 'waiting', 'compensating')
                              AND NOT coalesce((summary->'asleep')::boolean, false)
                         THEN greatest(updated_at, parked_until) END) STORED
        """
    )
    op.execute("COMMENT ON COLUMN readmodels.sagas.due_at IS 'from then on something should happen'")
    op.execute(
        """
        CREATE INDEX sagas_by_attribute ON readmodels.sagas USING gin (attributes jsonb_path_ops)
            WHERE attributes <> '{}'
        """
    )
    op.execute("CREATE INDEX sagas_by_correlation ON readmodels.sagas (correlation_id)")
    op.execute("CREATE INDEX sagas_by_parent ON readmodels.sagas (parent) WHERE parent IS NOT NULL")
    op.execute("CREATE INDEX sagas_by_time ON readmodels.sagas (requested_at)")
    op.execute("CREATE INDEX sagas_due ON readmodels.sagas (due_at, saga_id) WHERE due_at IS NOT NULL")
    op.execute("DROP INDEX readmodels.sagas_open")


def downgrade() -> None:
    op.execute(
        """
        CREATE INDEX sagas_open ON readmodels.sagas (updated_at)
            WHERE status IN ('queued', 'running', 'waiting', 'compensating')
        """
    )
    op.execute(
        """
        ALTER TABLE readmodels.sagas
            DROP COLUMN attributes, DROP COLUMN correlation_id, DROP COLUMN parent,
            DROP COLUMN requested_at, DROP COLUMN due_at
        """
    )
    op.execute("DROP FUNCTION readmodels.instant(text)")
