"""Sagas of the kernel's tests run here too, in their virtual time."""

from tests.unit.workflows.conftest import pytest_asyncio_loop_factories

__all__ = ["pytest_asyncio_loop_factories"]
