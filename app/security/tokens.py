"""Bearer tokens: `saga_`, 256 random bits, and a checksum by which a mistyped one is known without a look.

Only the digest of a token is kept. A plain SHA-256 is enough: what has 256 random bits cannot be guessed.
"""

import hashlib
import secrets
from base64 import b32encode
from typing import Final
from zlib import crc32

PREFIX: Final = "saga_"
"""So that scanners for secrets find one that was committed."""
SECRET_BYTES: Final = 32
SELECTOR_BYTES: Final = 8
_SECRET_CHARACTERS: Final = 52
_CHECKSUM_CHARACTERS: Final = 7
TOKEN_CHARACTERS: Final = len(PREFIX) + _SECRET_CHARACTERS + _CHECKSUM_CHARACTERS


def new_token() -> str:
    """A token that nobody can guess."""
    secret = _encoded(secrets.token_bytes(SECRET_BYTES))
    return PREFIX + secret + _checksum(secret)


def well_formed(token: str) -> bool:
    """Whether it can be one of ours: its length, prefix and checksum are right."""
    if len(token) != TOKEN_CHARACTERS or not token.startswith(PREFIX) or not token.isascii():
        return False
    secret = token[len(PREFIX) : -_CHECKSUM_CHARACTERS]
    return secrets.compare_digest(_checksum(secret), token[-_CHECKSUM_CHARACTERS:])


def digest(token: str) -> bytes:
    """What is kept of a token. Its first bytes are the selector by which it is found."""
    return hashlib.sha256(token.encode()).digest()


def selector(token_digest: bytes) -> bytes:
    """Finds the row; the whole digest is then compared in constant time."""
    return token_digest[:SELECTOR_BYTES]


def _checksum(secret: str) -> str:
    return _encoded(crc32(secret.encode()).to_bytes(4, "big"))


def _encoded(value: bytes) -> str:
    return b32encode(value).decode().rstrip("=").lower()
