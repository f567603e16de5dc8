"""The types of the client, made from the OpenAPI document of a server that has no aggregate and no saga.

So they are the same whatever the catalog and the table of sagas have, in a clone of yours too.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from app.api.reference import openapi_document
from app.main import create_app
from app.settings import Settings
from domain import Catalog
from workflows.saga import Registry

ROOT: Final = Path(__file__).parents[2]
MODELS: Final = ROOT / "app/client/models.py"
GENERATE_SECONDS_MAX: Final = 240
HEADER: Final = (
    '''"""What the server takes and answers, as its OpenAPI document says. Generated: make client."""'''
)
OPTIONS: Final = (
    *("--input-file-type", "openapi", "--output-model-type", "typing.TypedDict"),
    *("--target-python-version", "3.11", "--formatters", "builtin", "--disable-timestamp"),
    "--no-use-closed-typed-dict",  # mypy does not know them yet
    # Those of the standard library pydantic takes from Python 3.12 on only.
    *("--import-overrides", '{"TypedDict": "typing_extensions"}'),
)


def generated() -> str:
    """The file, formatted as the others are."""
    document = openapi_document(
        create_app(Settings.model_construct()), Catalog([]), Registry([])
    )  # whatever the environment says
    with TemporaryDirectory() as folder:
        source, target = Path(folder) / "openapi.json", Path(folder) / "models.py"
        source.write_text(json.dumps(document))
        generator = [sys.executable, "-m", "datamodel_code_generator", *OPTIONS]
        files = ["--input", source, "--output", target, "--custom-file-header", HEADER]
        _run(*generator, *files)
        _run(sys.executable, "-m", "ruff", "format", "--quiet", "--config", ROOT / "pyproject.toml", target)
        return target.read_text()


def _run(*command: str | Path) -> None:
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=GENERATE_SECONDS_MAX, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[2]} failed: {done.stdout}{done.stderr}")
