"""What a shipment does, refuses and stays quiet about."""

import pytest

from domain.shipment import DispatchShipment, ShipmentDispatched, shipment
from domain.values import Address
from tests.unit.domain.spec import given

SHIP_TO = Address(name="Vins et alcools Chevalier", country="France")
DISPATCH = DispatchShipment(order_id="o1", tracking="T-1", ship_to=SHIP_TO)
DISPATCHED = ShipmentDispatched(order_id="o1", tracking="T-1", ship_to=SHIP_TO)


def test_a_parcel_is_dispatched() -> None:
    given(shipment).when(DISPATCH).then(DISPATCHED)
    given(shipment, DISPATCHED).then_state(
        tracking="T-1", ship_to={"name": "Vins et alcools Chevalier", "country": "France"}
    )


def test_the_same_dispatch_again_adds_nothing() -> None:
    given(shipment, DISPATCHED).when(DISPATCH).then()


@pytest.mark.parametrize(
    "other",
    [
        DISPATCH.model_copy(update={"tracking": "T-2"}),
        DISPATCH.model_copy(update={"ship_to": Address(name="somebody", country="Peru")}),
    ],
)
def test_a_parcel_is_not_dispatched_to_two_places(other: DispatchShipment) -> None:
    given(shipment, DISPATCHED).when(other).then_rejected("already-dispatched")
