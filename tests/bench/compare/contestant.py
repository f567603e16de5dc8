"""What every contestant shares: its arguments, the table that its steps write to, and the loop around it."""

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import NoReturn

import psycopg

from app.bench.measure import Rate

STEPS = 5
TABLE = "create table if not exists done (id text, step int, data jsonb, primary key (id, step))"
INSERT = 'insert into done (id, step, data) values (%s, %s, \'{"amount": 100, "currency": "USD"}\')'

Measure = Callable[[str, int, float], Awaitable[Rate]]


def make_table(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(TABLE)


def compete(measure: Measure) -> NoReturn:
    """Measure with the arguments of this process and print the figures as its last line."""
    url, clients, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    logging.disable(logging.WARNING)
    rate = asyncio.run(measure(url, clients, seconds))
    print(json.dumps(asdict(rate)), flush=True)
    sys.exit(0)


def not_installed() -> NoReturn:
    sys.exit(3)
