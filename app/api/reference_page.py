"""/docs: the OpenAPI document to read and try, in Swagger UI.

Its scripts come from an installed package. From elsewhere they would run in the origin of the console, where
somebody may be signed in, and only on machines that reach the internet.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response

from app.problems import NotFound

_START: Final = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  layout: "BaseLayout",
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
});
"""
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>saga-orchestrator: HTTP API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" href="data:,">
</head>
<body>
<div id="reference"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_FILES: Final = frozenset({"swagger-ui.css", "swagger-ui-bundle.js"})

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def page() -> Response:
    return HTMLResponse(_PAGE)


@router.get("/docs/{file}")
async def part(file: str) -> Response:
    if file == "start.js":
        return Response(_START, media_type="text/javascript")
    if file not in _FILES:
        raise NotFound(f"there is no {file[:100]!r} below /docs")
    return FileResponse(_installed() / file)


def _installed() -> Path:
    package = find_spec("fastapi_offline")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "static"
