"""The generated pages of the reference: routes and models from the OpenAPI document, commands from Typer.

`make references` writes them; `tests/docs/test_references.py` compares them with what it would write.
"""

from tests.docs.references.command_line import commands_page
from tests.docs.references.models import models_page
from tests.docs.references.routes import routes_page

GENERATED = {
    "docs/reference/api-routes.md": routes_page,
    "docs/reference/api-models.md": models_page,
    "docs/reference/cli-commands.md": commands_page,
}

__all__ = ["GENERATED"]
