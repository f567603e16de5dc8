"""What an id looks like; on its own, because commands need this and not the application."""

from typing import Final

ID_PATTERN: Final = r"^[A-Za-z0-9._:-]+$"
ID_LENGTH_MAX: Final = 120
