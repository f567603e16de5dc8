"""The projections of this installation, and the SQL files that make their tables.

`sql/<name>.sql` makes the tables of the projection `<name>`, without naming a schema: in `readmodels`, where
they are served, and in a schema beside it, where a rebuild fills them.
"""

from pathlib import Path
from typing import Final

from app.readmodels.sagas import SagaProjection
from eventstore.projections import Projection

PROJECTIONS: Final[tuple[Projection, ...]] = (SagaProjection(),)
_FOLDER: Final = Path(__file__).parent / "sql"
BY_NAME: Final = {projection.name: projection for projection in PROJECTIONS}


def tables_file(name: str) -> Path:
    """The file that makes the tables of the projection `name`."""
    return _FOLDER / f"{name}.sql"
