"""The projections of this installation, and the SQL files that make their tables.

`sql/<name>.sql` makes the tables of the projection `<name>`, without naming a schema: in `readmodels`, where
they are served, and in a schema beside it, where a rebuild fills them.
"""

from pathlib import Path
from typing import Final

from app.readmodels.accounts import AccountProjection
from app.readmodels.orders import OrderProjection
from app.readmodels.sagas import SagaProjection
from app.readmodels.stock import StockProjection
from eventstore.projections import Projection
from workflows.saga.codec import EventCodec

_FOLDER: Final = Path(__file__).parent / "sql"


def projections_of(codec: EventCodec) -> tuple[Projection, ...]:
    """All projections. Whatever follows the log, is rebuilt or has tables is in this list."""
    return (
        SagaProjection(codec),
        OrderProjection(codec),
        StockProjection(codec),
        AccountProjection(codec),
    )


def tables_file(name: str) -> Path:
    """The file that makes the tables of the projection `name`."""
    return _FOLDER / f"{name}.sql"
