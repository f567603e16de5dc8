"""The parcel of an order, once the carrier has it."""

from domain.decider import Command, Decider, Event, Rejected, State
from domain.values import Address, Id


class DispatchShipment(Command):
    data_subject = "order_id"  # of one that is sent by hand; a saga hands on what belongs to the customer

    order_id: Id
    tracking: Id
    ship_to: Address


class ShipmentDispatched(Event):
    order_id: Id
    tracking: Id
    ship_to: Address


class Shipment(State):
    tracking: str | None = None
    ship_to: Address | None = None


def decide(shipment: Shipment, command: DispatchShipment) -> list[ShipmentDispatched]:
    if shipment == Shipment(tracking=command.tracking, ship_to=command.ship_to):
        return []  # sent twice
    if shipment.tracking is not None:
        raise Rejected(
            f"the parcel of order {command.order_id} was dispatched as {shipment.tracking}",
            code="already-dispatched",
            data={"tracking": shipment.tracking},
        )
    return [ShipmentDispatched(order_id=command.order_id, tracking=command.tracking, ship_to=command.ship_to)]


def evolve(_: Shipment, event: ShipmentDispatched) -> Shipment:
    return Shipment(tracking=event.tracking, ship_to=event.ship_to)


shipment: Decider[DispatchShipment, ShipmentDispatched, Shipment] = Decider(
    category="shipment",
    key=lambda command: command.order_id,
    initial=Shipment(),
    decide=decide,
    evolve=evolve,
    commands=DispatchShipment,
    events=ShipmentDispatched,
)
