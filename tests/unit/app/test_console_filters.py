"""How the console shows times, durations, money and JSON."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.console.filters import duration, money, pretty, when


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 ms"),
        (0.0084, "8 ms"),
        (0.9996, "1.0 s"),
        (2.44, "2.4 s"),
        (59.96, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (18_120, "5 h 2 min"),
        (187_200, "2 d 4 h"),
        (-3, "\u22123.0 s"),
    ],
)
def test_durations_are_as_people_say_them(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
    assert duration(timedelta(seconds=seconds)) == shown


def test_what_is_not_known_is_a_dash() -> None:
    assert duration(None) == "\u2013"
    assert when(None) == "\u2013"
    assert when(None, "<never>") == "&lt;never&gt;"


def test_a_time_is_shown_in_utc_and_whole_in_its_markup() -> None:
    time = datetime(2026, 1, 31, 13, 5, 6, 789000, timezone(timedelta(hours=1)))

    exact = "2026-01-31T12:05:06.789000Z"
    assert when(time) == f'<time datetime="{exact}" title="{exact}">2026-01-31 12:05:06</time>'


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        (1400, "USD", "14.00 USD"),
        (5, "USD", "0.05 USD"),
        (-1234567, "EUR", "\u221212\u202f345.67 EUR"),
        (1400, "JPY", "1\u202f400 JPY"),
        (1400, "KWD", "1.400 KWD"),
    ],
)
def test_money_has_the_digits_of_its_currency(amount: int, currency: str, shown: str) -> None:
    assert money({"amount": amount, "currency": currency}) == shown


def test_json_is_indented_and_has_times_as_the_api_has_them() -> None:
    assert pretty({"at": datetime(2026, 1, 31, tzinfo=UTC)}) == '{\n  "at": "2026-01-31T00:00:00Z"\n}'
