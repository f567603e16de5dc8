"""A part of the Northwind run: real orders, a real server, a real SIGKILL."""

import pytest

from tests.show import dataset
from tests.show.dataset import Northwind
from tests.show.northwind import DATA, data_directory, show

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ORDERS = 60


@pytest.mark.skipif(not dataset.is_there(DATA), reason="the Northwind files are not beside this repository")
async def test_a_killed_server_fulfils_or_refuses_every_order() -> None:
    whole = dataset.read(DATA)

    with data_directory() as folder:
        report = await show(Northwind(whole.customers, whole.stock, whole.orders[:ORDERS]), 1, folder)

    faults = {check.name: check.faults for check in report.checks if not check.ok}
    assert not faults
    assert report.sagas == ORDERS
    assert len(report.kills) == len(report.first_progress_seconds()) == 1
    assert report.reasons["completed"] > 0
    assert report.reasons["ReserveStock: insufficient-stock"] > 0
