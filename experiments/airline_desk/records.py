"""What the airline has, and what a call names."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel

from experiments.kept_world import Closed, Kept

Cabin = Literal["basic_economy", "economy", "business"]
Means = Literal["credit_card", "gift_card", "certificate"]


class Day(Kept):
    """A flight on a date; seats and prices are known while it can be booked."""

    status: Literal["available", "on time", "delayed", "flying", "landed", "cancelled"]
    available_seats: dict[Cabin, int] | None = None
    prices: dict[Cabin, int] | None = None


class Flight(Kept):
    """A flight, on its dates."""

    flight_number: str
    origin: str
    destination: str
    dates: dict[str, Day]


class Leg(Closed):
    """A flight on a date: "HAT001" on "2024-05-20"."""

    flight_number: str
    date: str

    @property
    def place(self) -> tuple[str, str]:
        """Which one it is."""
        return self.flight_number, self.date


class Segment(Leg):
    """A flight of a reservation, at the price of each passenger."""

    origin: str
    destination: str
    price: int


class Passenger(Closed):
    """Who flies."""

    first_name: str
    last_name: str
    dob: str


class Payment(Closed):
    """Money in dollars; what is given back is below zero."""

    payment_id: str
    amount: int


class Trip(Closed):
    """What is booked."""

    flight_type: Literal["one_way", "round_trip"]
    origin: str
    destination: str
    cabin: Cabin
    flights: Sequence[Leg]
    passengers: list[Passenger]
    total_baggages: int
    nonfree_baggages: int
    insurance: Literal["yes", "no"]


class Reservation(Trip):
    """A reservation."""

    reservation_id: str
    user_id: str
    flights: list[Segment]
    payment_history: list[Payment]
    created_at: str
    status: Literal["cancelled"] | None = None
    compensation: int | None = None
    """What a certificate made good."""

    @property
    def fare(self) -> int:
        """The price of its flights."""
        return sum(leg.price for leg in self.flights) * len(self.passengers)


class Method(Kept):
    """How a customer pays; cards of a bank have no amount."""

    source: Means
    id: str
    amount: float | None = None


class Customer(Kept):
    """A customer."""

    user_id: str
    payment_methods: dict[str, Method]
    membership: Literal["regular", "silver", "gold"]
    reservations: list[str]


class World(BaseModel):
    """All there is."""

    flights: dict[str, Flight]
    users: dict[str, Customer]
    reservations: dict[str, Reservation]
