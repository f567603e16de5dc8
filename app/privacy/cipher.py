"""Personal text and tokens, keys and wrapped keys: AES-SIV for the first, AES-GCM for the second.

AES-SIV (RFC 5297) gives the same ciphertext for the same text, as tokens must be comparable, and notices
every change of it. What it gives away is which texts of one person are equal, and how long they are.
"""

import base64
import binascii
import hashlib
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV

from domain.personal import TOKEN_PREFIX

KEY_BITS: Final = 512
MASTER_BYTES: Final = 32
NONCE_BYTES: Final = 12
KEY_ID_BYTES: Final = 16
_CONTEXT: Final = b"saga personal 1"


class Unreadable(Exception):
    """The token is not what was made with this key: somebody changed it."""


class KeyLocked(Exception):
    """A key of personal data is wrapped by a master key that this server does not have, or was changed."""


class MasterKeyWrong(Exception):
    """SAGA_MASTER_KEY is not what the keys of personal data are wrapped by."""


@dataclass(frozen=True, slots=True)
class Key:
    """The key of one person. It is not in its repr."""

    key_id: str
    secret: bytes = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        return cls(encoded(secrets.token_bytes(KEY_ID_BYTES)), AESSIV.generate_key(KEY_BITS))

    def seal(self, text: str) -> str:
        """The token of a text, which must not be empty."""
        ciphertext = AESSIV(self.secret).encrypt(text.encode(), [_CONTEXT, self.key_id.encode()])
        return f"{TOKEN_PREFIX}{self.key_id}:{encoded(ciphertext)};"

    def open(self, ciphertext: str) -> str:
        """The text of a token of this key. Raises Unreadable."""
        try:
            associated = [_CONTEXT, self.key_id.encode()]
            return AESSIV(self.secret).decrypt(decoded(ciphertext), associated).decode()
        except (InvalidTag, ValueError) as error:
            raise Unreadable("a personal value was changed after it was encrypted") from error


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """Wrap the keys of persons: the first wraps, all unwrap. Without any, keys are kept as they are."""

    secrets: Sequence[bytes] = field(default=(), repr=False)

    @classmethod
    def of(cls, text: str | None) -> Self:
        """Master keys in base64, separated by commas. Raises ValueError, without the text."""
        return cls([master_key(each.strip()) for each in text.split(",")] if text else ())

    @property
    def first(self) -> str | None:
        """The fingerprint of the one that wraps."""
        return fingerprint(self.secrets[0]) if self.secrets else None

    @property
    def fingerprints(self) -> list[str]:
        return [fingerprint(secret) for secret in self.secrets]

    def wrap(self, key: Key) -> tuple[bytes, str | None]:
        """What to keep of a key, and the fingerprint of the master key that it takes to read it."""
        if not self.secrets:
            return key.secret, None
        nonce = os.urandom(NONCE_BYTES)
        wrapped = AESGCM(self.secrets[0]).encrypt(nonce, key.secret, _CONTEXT + key.key_id.encode())
        return nonce + wrapped, self.first

    def unwrap(self, key_id: str, kept: bytes, master: str | None) -> Key:
        """Raises KeyLocked."""
        if master is None:
            return Key(key_id, kept)
        for secret in self.secrets:
            if fingerprint(secret) == master:
                try:
                    nonce, wrapped = kept[:NONCE_BYTES], kept[NONCE_BYTES:]
                    return Key(key_id, AESGCM(secret).decrypt(nonce, wrapped, _CONTEXT + key_id.encode()))
                except (InvalidTag, ValueError):
                    raise KeyLocked(f"key {key_id} of personal data was changed") from None
        raise KeyLocked(f"key {key_id} of personal data is wrapped by master key {master}, which is not set")


def fingerprint(master: bytes) -> str:
    """Tells master keys apart, and nothing else about them."""
    return hashlib.sha256(b"saga master key" + master).hexdigest()[:16]


def master_key(text: str) -> bytes:
    """A master key from its base64. Raises ValueError, without the text."""
    try:
        secret = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != MASTER_BYTES:
        raise ValueError(f"must be {MASTER_BYTES} bytes in base64, as from `openssl rand -base64 32`")
    return secret


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Raises ValueError."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
