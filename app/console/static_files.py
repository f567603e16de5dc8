"""Styles and scripts of the pages. Their addresses name their content, so that a browser may keep them."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response

from app.problems import NotFound
from app.security.rules import CONSOLE_STATIC

_MEDIA_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_FOREVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}

router = APIRouter(include_in_schema=False)


@router.get(f"{CONSOLE_STATIC}{{digest}}/{{file}}")
async def read(digest: str, file: str) -> Response:
    """A file under the digest of all of them: modules import each other by relative names.

    Raises NotFound.
    """
    if (digest, file) not in {(_digest(), name) for name in _files()}:
        raise NotFound(f"there is no {file[:100]!r} of this version of the console")
    return Response(_files()[file], headers=_FOREVER, media_type=_MEDIA_TYPES[file.rpartition(".")[2]])


def asset(file: str) -> str:
    """The address of a file of the console."""
    assert file in _files(), file
    return f"{CONSOLE_STATIC}{_digest()}/{file}"


@cache
def _files() -> dict[str, bytes]:
    folder = files("app.console") / "static"
    return {
        each.name: each.read_bytes()
        for each in sorted(folder.iterdir(), key=lambda each: each.name)
        if each.name.rpartition(".")[2] in _MEDIA_TYPES
    }


@cache
def _digest() -> str:
    content = hashlib.sha256()
    for name, text in _files().items():
        content.update(b"%s\0%d\0%s" % (name.encode(), len(text), text))
    return content.hexdigest()[:16]
