"""Headers of blocks as JSON, in proofs and archives."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from eventstore.audit.hashes import Header

Json = dict[str, Any]


def header_document(header: Header) -> Json:
    return asdict(header) | {
        "sealed_at": header.sealed_at.isoformat(),
        "previous": header.previous.hex(),
        "root": header.root.hex(),
    }


def header_of(document: Json) -> Header:
    """Raises KeyError, TypeError, ValueError."""
    return Header(
        **document
        | {
            "sealed_at": datetime.fromisoformat(document["sealed_at"]),
            "previous": bytes.fromhex(document["previous"]),
            "root": bytes.fromhex(document["root"]),
        }
    )
