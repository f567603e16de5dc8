"""JSON answers: orjson, times in RFC 3339 with Z."""

from typing import Any

import orjson
from starlette.responses import Response


class JsonResponse(Response):
    """Any value of plain types, dataclasses, times and UUIDs as JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content, option=orjson.OPT_UTC_Z)
