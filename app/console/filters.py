"""How pages show times, durations, money and JSON."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from markupsafe import Markup

MINOR_DIGITS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF"), 0),
    **dict.fromkeys(("UGX", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
"""Digits of the minor unit after the point, by ISO 4217; two for all others."""


def when(time: datetime | None, absent: str = "\u2013") -> Markup:
    """A time to the second, in UTC; machines find all of it in the markup."""
    if time is None:
        return Markup("{}").format(absent)
    utc = time.astimezone(UTC)
    exact = utc.isoformat().replace("+00:00", "Z")
    return Markup('<time datetime="{}" title="{}">{:%Y-%m-%d %H:%M:%S}</time>').format(exact, exact, utc)


def typed(time: datetime | None) -> str:
    """A time in UTC as a field has it: to the second."""
    return "" if time is None else f"{time:%Y-%m-%dT%H:%M:%S}"


def duration(value: timedelta | float | None, absent: str = "\u2013") -> str:
    """As people say it: `8 ms`, `2.4 s`, `3 min 20 s`, `5 h 2 min`, `2 d 4 h`. A number is of seconds."""
    if value is None:
        return absent
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    sign, seconds = ("\u2212" if seconds < 0 else ""), abs(seconds)
    if seconds < 0.9995:
        return f"{sign}{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{sign}{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, below, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // below
            return f"{sign}{whole // size} {unit}" + (f" {rest} {small}" if rest else "")
    return f"{sign}{whole} s"


def money(value: Any) -> str:
    """`{"amount": 1400, "currency": "USD"}`, or such an object, as `14.00 USD`."""
    if not isinstance(value, Mapping):
        value = {"amount": value.amount, "currency": value.currency}
    amount, currency = int(value["amount"]), str(value["currency"])
    digits = MINOR_DIGITS.get(currency, 2)
    whole, rest = divmod(abs(amount), 10**digits)
    point = f".{rest:0{digits}}" if digits else ""
    sign = "\u2212" if amount < 0 else ""
    return f"{sign}{whole:,}{point} {currency}".replace(",", "\u202f")


def pretty(value: Any) -> str:
    """JSON for people; times and the like as the API writes them."""
    option = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
    return orjson.dumps(value, option=option, default=_plain).decode()


def _plain(value: Any) -> Any:
    """Raises TypeError for what is no data."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(type(value).__name__)
