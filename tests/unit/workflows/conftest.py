"""The kernel's tests run on an event loop whose time passes only when nothing else can happen."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from workflows.saga.testing import VirtualTimeLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"virtual-time": VirtualTimeLoop}
