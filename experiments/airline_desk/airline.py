"""An airline to act in: customers, reservations and flights of tau2-bench's airline domain, and what a desk may do.

Data: tau2-bench, Sierra Research (MIT), as the package inspect-evals carries it. The tools hold to its written rules as
far as the data tells whether they are met; what only a conversation tells, such as why somebody cancels, is for whoever
approves. A customer's data is shown and changed only on that customer's behalf. Seats that become free are not sold
again.
"""

import gzip
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from experiments.airline_desk.records import (
    Cabin,
    Customer,
    Day,
    Leg,
    Means,
    Method,
    Passenger,
    Payment,
    Reservation,
    Segment,
    Trip,
    World,
)
from experiments.kept_world import KeptWorld, Place, shown
from workbench.datasets import default_cache, fetch, load_registry
from workbench.tools import Attempt, Facts, NotDone, Tool, declare

Topic = Literal["User", "Flight", "Reservation", "Book flight", "Modify flight", "Cancel flight"]
NOW = datetime.fromisoformat("2024-05-15T15:00:00")
"""As the rules say; so are the numbers below."""
BAG, INSURANCE, MOST_PASSENGERS = 50, 30, 5
FREE_BAGS = {"basic_economy": 0, "economy": 1, "business": 2, "regular": 0, "silver": 1, "gold": 2}
"""Of each passenger, by cabin and by membership; they add up."""
MOST: dict[Means, int] = {"certificate": 1, "credit_card": 1, "gift_card": 3}
"""How many of a kind pay for one reservation."""
DUE = {"cancelled": 100, "delayed": 50}
"""To each passenger, by what became of a flight."""


class Airline:
    """The airline and its tools. Safe under threads."""

    def __init__(self, changes: Path) -> None:
        """Changes are kept in that file. Raises: DataError if the data set can't be had."""
        folder = fetch(load_registry().entry("tau2_airline"), cache=default_cache())
        parts = re.split(r"^#{2,3} (.*)$", (folder / "policy.txt").read_text(encoding="utf-8"), flags=re.MULTILINE)
        self.rules = {name.strip(): body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}
        self.world = World.model_validate_json(gzip.decompress((folder / "db.json.gz").read_bytes()))
        self._kept = KeptWorld(self.world, changes)

    @property
    def tools(self) -> tuple[Tool, ...]:
        """What a desk may ask for, with the facts that the gate goes by."""
        own = Facts(effect="read", trust="trusted", confidentiality="confidential", clearance="confidential")
        board = own.model_copy(update={"confidentiality": "public"})
        write = own.model_copy(update={"effect": "write", "idempotency": "key"})
        paid = write.model_copy(update={"risk": "high"})
        given = paid.model_copy(update={"effect": "irreversible", "approval": "always"})
        return (
            *(declare(one, own) for one in (self.get_customer, self.get_reservation)),
            *(declare(one, board) for one in (self.find_flights, self.get_flight_status, self.read_rules)),
            declare(self.change_passengers, write),
            *(declare(one, paid) for one in (self.book, self.change_flights, self.change_bags)),
            *(declare(one, given) for one in (self.cancel, self.compensate)),
        )

    def get_customer(self, attempt: Attempt) -> dict[str, JsonValue]:
        """The customer's profile: membership, payment methods, saved passengers and reservation ids."""
        return shown(self._customer(attempt))

    def get_reservation(self, reservation_id: str, attempt: Attempt) -> dict[str, JsonValue]:
        """One of the customer's reservations: flights, passengers, bags, insurance and payments."""
        return shown(self._reservation(reservation_id, attempt))

    def find_flights(self, origin: str, destination: str, date: str) -> list[dict[str, JsonValue]]:
        """Flights between two airports that can be booked for a date, such as "2024-05-20", with seats and prices."""
        return [
            {**shown(one.model_copy(update={"dates": {}})), **shown(one.dates[date])}
            for one in self.world.flights.values()
            if (one.origin, one.destination) == (origin, destination)
            and date in one.dates
            and one.dates[date].status == "available"
        ]

    def get_flight_status(self, flight_number: str, date: str) -> str:
        """Whether a flight is available, on time, delayed, flying, landed or cancelled on a date."""
        return self._day(Leg(flight_number=flight_number, date=date)).status

    def read_rules(self, about: Topic) -> str:
        """What the airline's own rules say of a thing that customers ask for."""
        return self.rules[about]

    def book(self, trip: Trip, payments: list[Payment], attempt: Attempt) -> dict[str, JsonValue]:
        """Book a trip; what the payments add up to is its price."""

        def change() -> Reservation:
            count = len(trip.passengers)
            if not 1 <= count <= MOST_PASSENGERS:
                raise NotDone(f"a reservation is for one to {MOST_PASSENGERS} passengers")
            made = Reservation(
                **trip.model_dump(exclude={"flights"}),
                flights=self._seated(trip.flights, trip.cabin, count),
                reservation_id=_new_id(attempt),
                user_id=attempt.principal,
                payment_history=payments,
                created_at=NOW.isoformat(),
            )
            _check_route(made)
            self._check_bags(made, attempt)
            insured = INSURANCE * count if trip.insurance == "yes" else 0
            self._pay(payments, made.fare + BAG * trip.nonfree_baggages + insured, attempt)
            self._customer(attempt).reservations.append(made.reservation_id)
            self.world.reservations[made.reservation_id] = made
            return made

        return self._once(attempt, change, trip.flights)

    def change_flights(
        self, reservation_id: str, cabin: Cabin, flights: list[Leg], payment_id: str, attempt: Attempt
    ) -> dict[str, JsonValue]:
        """Take other flights, all of them named, or another cabin; the difference is paid or given back."""

        def change() -> Reservation:
            one = self._standing(reservation_id, attempt)
            asked, same, fare = {leg.place for leg in flights}, cabin == one.cabin, one.fare
            if any(not same or leg.place not in asked for leg in one.flights if self._flown(leg)):
                raise NotDone("what has been flown stays in the reservation, and its cabin does then")
            if one.cabin == "basic_economy" and asked != {leg.place for leg in one.flights}:
                raise NotDone("flights of basic economy can't be changed; the cabin can")
            one.flights = self._seated(flights, cabin, len(one.passengers), one.flights if same else ())
            one.cabin = cabin
            _check_route(one)
            self._settle(one, one.fare - fare, payment_id, attempt)
            return one

        return self._once(attempt, change, flights)

    def change_passengers(
        self, reservation_id: str, passengers: list[Passenger], attempt: Attempt
    ) -> dict[str, JsonValue]:
        """Correct who flies, or let others fly; as many as before."""

        def change() -> Reservation:
            one = self._standing(reservation_id, attempt)
            if len(passengers) != len(one.passengers):
                raise NotDone("the number of passengers can't be changed")
            one.passengers = passengers
            return one

        return self._once(attempt, change)

    def change_bags(
        self, reservation_id: str, total_baggages: int, nonfree_baggages: int, payment_id: str, attempt: Attempt
    ) -> dict[str, JsonValue]:
        """Add checked bags; those beyond the free ones are paid."""

        def change() -> Reservation:
            one = self._standing(reservation_id, attempt)
            if total_baggages < one.total_baggages:
                raise NotDone("bags can be added and not removed")
            more = max(0, nonfree_baggages - one.nonfree_baggages)
            one.total_baggages, one.nonfree_baggages = total_baggages, nonfree_baggages
            self._check_bags(one, attempt)
            self._settle(one, BAG * more, payment_id, attempt)
            return one

        return self._once(attempt, change)

    def cancel(self, reservation_id: str, attempt: Attempt) -> dict[str, JsonValue]:
        """Cancel a whole reservation; what was paid goes back the way it came, within some days."""

        def change() -> Reservation:
            one = self._standing(reservation_id, attempt)
            if any(self._flown(leg) for leg in one.flights):
                raise NotDone("a part of it has been flown")
            recent = NOW - datetime.fromisoformat(one.created_at) <= timedelta(hours=24)
            dropped = any(self._day(leg).status == "cancelled" for leg in one.flights)
            if not (recent or dropped or one.cabin == "business" or one.insurance == "yes"):
                raise NotDone("it is older than 24 hours, not business, not insured, and all its flights take place")
            one.payment_history += [Payment(payment_id=_.payment_id, amount=-_.amount) for _ in one.payment_history]
            one.status = "cancelled"
            return one

        return self._once(attempt, change)

    def compensate(self, reservation_id: str, amount: int, attempt: Attempt) -> dict[str, JsonValue]:
        """Send a certificate of so many dollars for a cancelled or delayed flight of a reservation, once."""

        def change() -> Customer:
            customer, one = self._customer(attempt), self._reservation(reservation_id, attempt)
            if customer.membership == "regular" and one.insurance == "no" and one.cabin != "business":
                raise NotDone("nothing is made good to a regular member without insurance who does not fly business")
            if one.compensation is not None:
                raise NotDone("a certificate was sent for it already")
            due = {DUE.get(self._day(leg).status, 0) * len(one.passengers) for leg in one.flights} - {0}
            if amount not in due:
                raise NotDone(f"dollars that are due for its flights: {sorted(due) or 'none'}")
            one.compensation = amount
            name = f"certificate_{reservation_id}"
            customer.payment_methods[name] = Method(source="certificate", id=name, amount=amount)
            return customer

        return self._once(attempt, change)

    def _once(
        self, attempt: Attempt, change: Callable[[], Reservation | Customer], legs: Sequence[Leg] = ()
    ) -> dict[str, JsonValue]:
        """Change the account, its reservations and seats, once. Raises: NotDone, and then nothing is changed."""

        def reach() -> list[Place]:
            own = (name for name, one in self.world.reservations.items() if one.user_id == attempt.principal)
            return [
                Place("users", attempt.principal),
                *(Place("reservations", name) for name in (*own, _new_id(attempt))),
                *(Place("flights", leg.flight_number) for leg in legs),
            ]

        return self._kept.once(attempt.key, reach, change)

    def _customer(self, attempt: Attempt) -> Customer:
        if attempt.principal not in self.world.users:
            raise NotDone("nobody is signed in who is a customer")
        return self.world.users[attempt.principal]

    def _reservation(self, reservation_id: str, attempt: Attempt) -> Reservation:
        """One of the customer's own; another's is as if there were none."""
        one = self.world.reservations.get(reservation_id)
        if one is None or one.user_id != attempt.principal:
            raise NotDone("the customer has no reservation of that id")
        return one

    def _standing(self, reservation_id: str, attempt: Attempt) -> Reservation:
        one = self._reservation(reservation_id, attempt)
        if one.status == "cancelled":
            raise NotDone("the reservation is cancelled")
        return one

    def _method(self, payment_id: str, attempt: Attempt) -> Method:
        methods = self._customer(attempt).payment_methods
        if payment_id not in methods:
            raise NotDone("the customer has no such payment method")
        return methods[payment_id]

    def _day(self, leg: Leg) -> Day:
        flight = self.world.flights.get(leg.flight_number)
        if flight is None or leg.date not in flight.dates:
            raise NotDone(f"there is no flight {leg.flight_number!r} on {leg.date!r}")
        return flight.dates[leg.date]

    def _flown(self, leg: Leg) -> bool:
        return self._day(leg).status in {"flying", "landed"}

    def _seated(self, legs: Sequence[Leg], cabin: Cabin, count: int, kept: Sequence[Segment] = ()) -> list[Segment]:
        """Those flights: what is kept at its old price, and seats taken on all others."""
        old = {leg.place: leg for leg in kept}
        if not legs or len({leg.place for leg in legs}) < len(legs):
            raise NotDone("name each flight, and each once")
        return [old.get(leg.place) or self._seat(leg, cabin, count) for leg in legs]

    def _seat(self, leg: Leg, cabin: Cabin, count: int) -> Segment:
        day, number = self._day(leg), leg.flight_number
        if day.status != "available" or day.available_seats is None or day.prices is None:
            raise NotDone(f"flight {number!r} can't be booked for {leg.date!r}")
        if day.available_seats[cabin] < count:
            raise NotDone(f"flight {number!r} has not as many seats left on {leg.date!r}")
        day.available_seats[cabin] -= count
        flight, price = self.world.flights[number], day.prices[cabin]
        return Segment(
            flight_number=number, date=leg.date, origin=flight.origin, destination=flight.destination, price=price
        )

    def _settle(self, one: Reservation, amount: int, payment_id: str, attempt: Attempt) -> None:
        """Pay what a change costs, or give back what it saves, in one way."""
        method = self._method(payment_id, attempt)
        if method.source == "certificate":
            raise NotDone("a certificate pays for no change")
        _take(method, amount)
        if amount:
            one.payment_history.append(Payment(payment_id=payment_id, amount=amount))

    def _pay(self, payments: list[Payment], price: int, attempt: Attempt) -> None:
        """Pay a booking; what is left of a certificate is lost."""
        methods = {one.payment_id: self._method(one.payment_id, attempt) for one in payments}
        kinds = [one.source for one in methods.values()]
        if len(methods) < len(payments) or any(kinds.count(kind) > most for kind, most in MOST.items()):
            raise NotDone(f"a reservation is paid by so many of a kind at most, and by each once: {MOST}")
        if any(one.amount <= 0 for one in payments) or sum(one.amount for one in payments) != price:
            raise NotDone(f"the price is {price}; payments are above zero and add up to it")
        for one in payments:
            _take(methods[one.payment_id], one.amount)
            if methods[one.payment_id].source == "certificate":
                del self._customer(attempt).payment_methods[one.payment_id]

    def _check_bags(self, one: Reservation, attempt: Attempt) -> None:
        free = (FREE_BAGS[one.cabin] + FREE_BAGS[self._customer(attempt).membership]) * len(one.passengers)
        paid = max(0, one.total_baggages - free)
        if one.total_baggages < 0 or one.nonfree_baggages != paid:
            raise NotDone(f"{paid} of {one.total_baggages} bags are not free")


def _new_id(attempt: Attempt) -> str:
    """Of the reservation that an action makes; longer than those of the data, so that it is nobody else's."""
    return f"NEW{attempt.key[:12].upper()}"


def _take(method: Method, amount: int) -> None:
    """Take money, or give it back where the amount is below zero; a bank's card is settled elsewhere."""
    if method.amount is not None:
        if method.amount < amount:
            raise NotDone(f"the {method.source} does not hold as much")
        method.amount -= amount


def _check_route(one: Reservation) -> None:
    ends = (one.origin, one.origin if one.flight_type == "round_trip" else one.destination)
    joined = all(first.destination == second.origin for first, second in pairwise(one.flights))
    reached = one.destination in {leg.destination for leg in one.flights}
    if not (joined and reached and ends == (one.flights[0].origin, one.flights[-1].destination)):
        raise NotDone(f"the flights don't make the {one.flight_type} trip from {one.origin} to {one.destination}")
