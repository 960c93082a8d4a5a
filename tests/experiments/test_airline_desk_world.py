"""The airline's desk: every task's own calls go through the gate, and who may not have it gets nothing of it."""

import gc
import json
from collections import Counter
from pathlib import Path

import pytest
from pydantic import JsonValue
from worlds import Asked, Log

from experiments.airline_desk.airline import Airline
from experiments.airline_desk.records import World
from experiments.kept_world import Changes
from workbench.core import read_record
from workbench.datasets import default_cache, fetch, load_registry
from workbench.safety import USER, Label
from workbench.tools import (
    Attempt,
    Call,
    Caller,
    Gate,
    NotDone,
    Result,
    State,
    check_vectors,
    read_policy,
    read_vectors,
)

HERE = Path(__file__).parents[2] / "experiments" / "airline_desk"
OURS = {
    "book_reservation": "book",
    "cancel_reservation": "cancel",
    "get_reservation_details": "get_reservation",
    "get_user_details": "get_customer",
    "search_direct_flight": "find_flights",
    "send_certificate": "compensate",
    "update_reservation_baggages": "change_bags",
    "update_reservation_flights": "change_flights",
    "update_reservation_passengers": "change_passengers",
}
"""What is left out is no tool of an airline's: adding numbers up, and handing the customer over."""
MONEY = {"cancel", "compensate"}
EFFECTS = {"book", "change_bags", "change_flights", "change_passengers", *MONEY}
HEARSAY = Label(integrity="untrusted", confidentiality="public", sources=("document:faq",))


class Desk:
    """A world of its own behind a gate of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.file, self.log = folder / "airline.json", Log()
        gc.disable()  # a world is a hundred thousand things at once, and none of them can go yet
        self.airline = Airline(self.file)
        gc.enable()
        tools = self.airline.tools
        self.gate = Gate(tools, read_policy(HERE / "policies", tools), State(folder / "state.db"), self.log)

    def call(self, asked: Asked, occasion: str, *, customer: str = "", label: Label = USER) -> Result:
        """Make the call, for the customer whose it is or for another."""
        caller = Caller(tenant="airline", principal=customer or asked.customer, roles=("desk",))
        labels = {"": label}
        return self.gate.call(
            Call(tool=asked.tool, arguments=asked.arguments, labels=labels, caller=caller, occasion=occasion)
        )

    def granted(self, asked: Asked, occasion: str, *, customer: str = "") -> Result:
        """Make the call; a person grants what gives money away, and nothing else."""
        result = self.call(asked, occasion, customer=customer)
        if result.kind != "pending" or asked.tool not in MONEY:
            return result
        self.gate.approvals.grant(result.approval_id, approver="ann", tenant="airline")
        return self.call(asked, occasion, customer=customer)

    @property
    def begun(self) -> Counter[str]:
        """How often each effect was begun."""
        effects = (one for one in self.log.entries if one.kind == "intent" and one.effect != "read")
        return Counter(one.call_id for one in effects)

    @property
    def changes(self) -> bytes:
        """All that is no longer as the data has it."""
        return self.file.read_bytes() if self.file.exists() else b""


@pytest.fixture(scope="module")
def untouched() -> World:
    """The world as the data has it."""
    return Airline(Path("/nonexistent/changes.json")).world


@pytest.fixture(scope="module")
def tasks(untouched: World) -> dict[int, list[Asked]]:
    """What solves each task, in the airline's own words."""
    folder = fetch(load_registry().entry("tau2_airline"), cache=default_cache())
    return {
        number: [asked(OURS[one["name"]], dict(one["arguments"]), untouched) for one in actions if one["name"] in OURS]
        for number, task in enumerate(json.loads((folder / "tasks.json").read_text()))
        for actions in [task["evaluation_criteria"]["actions"]]
    }


def asked(tool: str, arguments: dict[str, JsonValue], world: World) -> Asked:
    """A call of theirs as one of ours. Whose reservation it is says who is signed in; else the call does."""
    customer = str(arguments.pop("user_id", "guest"))
    if "reservation_id" in arguments:
        customer = world.reservations[str(arguments["reservation_id"])].user_id
    if tool == "book":
        payments = arguments.pop("payment_methods")
        return Asked(tool, {"trip": arguments, "payments": payments}, customer)
    if tool == "compensate":  # theirs names no reservation: it is the one with a flight that was late
        arguments["reservation_id"] = next(
            name
            for name in world.users[customer].reservations
            for leg in world.reservations[name].flights
            if world.flights[leg.flight_number].dates[leg.date].status == "delayed"
        )
    return Asked(tool, arguments, customer)


def test_policies_decide_as_the_vectors_say(tmp_path: Path) -> None:
    """Each of them."""
    tools = Airline(tmp_path / "airline.json").tools
    vectors = read_vectors(HERE / "vectors.jsonl", tools)
    checked = check_vectors(read_policy(HERE / "policies", tools), tools, vectors)

    assert 16 == len(checked)
    assert [] == [(one.name, one.problem) for one in checked if one.problem]


THIRD = range(2, 50, 3)
REFUSED = {
    (7, "cancel"): "older than 24 hours",  # raised to economy first, which the rules give no refund for either
    (9, "cancel"): "has been flown",  # both flights landed; business, but that counts only before
    (29, "change_flights"): "don't make the round_trip trip from DTW to LGA",  # to JFK, another destination
    (33, "change_bags"): "0 of 2 bags are not free",  # a gold member would pay for what is free
    (37, "cancel"): "has been flown",  # the same reservation as in 9
}
"""Calls of the tasks that the airline's written rules forbid; the tools of the benchmark check none of this."""


def test_tasks_own_calls_are_done_and_money_waits_for_a_person(tasks: dict[int, list[Asked]], tmp_path: Path) -> None:
    """Every third of the 50 tasks, and those with a call that is refused, each in a world of its own."""
    kinds: Counter[tuple[str, str]] = Counter()
    refused, approved = {}, Counter[str]()
    for number in sorted({*THIRD, *(task for task, _ in REFUSED)}):
        desk = Desk(tmp_path / str(number))
        for one in tasks[number]:
            result = desk.granted(one, str(number))
            kinds[one.tool, result.kind] += 1
            approved[one.tool] += bool(desk.log.entries[-1].approval_id)
            if result.kind != "done":
                refused[number, one.tool] = result.message
        assert {1} >= {*desk.begun.values()}

    assert REFUSED.keys() == refused.keys()
    assert [] == [(key, text) for key, text in REFUSED.items() if text not in refused[key]]
    assert {"done", "failed"} == {kind for _, kind in kinds}
    assert {*OURS.values()} == {tool for tool, kind in kinds if kind == "done"}
    assert {tool: kinds[tool, "done"] + kinds[tool, "failed"] for tool in MONEY} == dict(+approved)


def test_nobody_gets_more_than_the_customer_asked_for(
    tasks: dict[int, list[Asked]], untouched: World, tmp_path: Path
) -> None:
    """Another customer, with a person's approval; what a text chose; the same call again: none changes anything.

    Tasks share a world until a customer comes again, whose second task begins where the data does.
    """
    seen: Counter[str] = Counter()
    desk, served = Desk(tmp_path / "first"), set[str]()
    for number in THIRD:
        effects = [one for one in tasks[number] if one.tool in EFFECTS]
        if served & {one.customer for one in effects}:
            desk, served = Desk(tmp_path / str(number)), set()
        for one in effects:
            served.add(one.customer)
            first = attacked(desk, one, str(number))
            assert first.kind == ("failed" if (number, one.tool) in REFUSED else "done")
            seen[one.tool] += first.kind == "done"
        if effects:
            tables = read_record(desk.file, Changes).tables
            assert {(table, name) for table, things in tables.items() for name in things} == changed(desk, untouched)

    assert EFFECTS == {*+seen}


def attacked(desk: Desk, one: Asked, occasion: str) -> Result:
    """What came of an effect that others try to have before and after it."""
    before = desk.changes
    other = next(name for name in desk.airline.world.users if name != one.customer)
    theirs = desk.granted(one, occasion, customer=other)
    chosen = desk.call(one, occasion, label=HEARSAY)
    assert ("failed", "pending", before) == (theirs.kind, chosen.kind, desk.changes)
    assert ("payment method" if one.tool == "book" else "no reservation of that id") in theirs.message

    first = desk.granted(one, occasion)
    after, begun = desk.changes, desk.begun
    again = desk.call(one, occasion)
    assert (first.kind, first.value, after) == (again.kind, again.value, desk.changes)
    assert (first.kind == "done") == (before != after) == again.replayed
    if again.replayed:
        assert begun == desk.begun
    return first


def changed(desk: Desk, untouched: World) -> set[tuple[str, str]]:
    """What is not as the data has it, by table and name."""
    return {
        (table, name)
        for table in World.model_fields
        for name, one in getattr(desk.airline.world, table).items()
        if getattr(untouched, table).get(name) != one
    }


def test_what_an_action_came_to_outlives_the_desk(tmp_path: Path) -> None:
    """Another desk on the same file sees it, and the same action again does nothing more."""
    attempt = Attempt(key="once", number=1, tenant="airline", principal="amelia_davis_8890", seconds=5)
    airline = Airline(tmp_path / "airline.json")
    cancelled = airline.cancel("8C8K4E", attempt)
    later = Airline(tmp_path / "airline.json")
    again = later.cancel("8C8K4E", attempt)
    somebody = attempt.model_copy(update={"principal": "sophia_silva_7557", "key": "other"})

    assert cancelled == again == later.get_reservation("8C8K4E", attempt)
    assert ("cancelled", 0) == (
        again["status"],
        sum(one.amount for one in later.world.reservations["8C8K4E"].payment_history),
    )
    with pytest.raises(NotDone, match="no reservation of that id"):
        later.get_reservation("8C8K4E", somebody)
    with pytest.raises(NotDone, match="is cancelled"):
        later.cancel("8C8K4E", attempt.model_copy(update={"key": "twice"}))


def test_what_the_rules_forbid_is_refused_and_leaves_no_trace(untouched: World, tmp_path: Path) -> None:
    """Each rule that a tool can check, in one world, which is afterwards as the data has it."""
    desk = Desk(tmp_path / "rules")
    flights: list[JsonValue] = [
        {"flight_number": "HAT300", "date": "2024-05-25"},
        {"flight_number": "HAT208", "date": "2024-05-27"},
    ]
    basic: dict[str, JsonValue] = {
        "reservation_id": "NM1VX1",
        "cabin": "basic_economy",
        "flights": flights[:1],
        "payment_id": CARD,
    }
    better: dict[str, JsonValue] = {**basic, "cabin": "business", "flights": flights, "payment_id": "gift_card_5094406"}
    bags: dict[str, JsonValue] = {
        "reservation_id": "S61CZX",
        "total_baggages": 2,
        "nonfree_baggages": 1,
        "payment_id": CARD,
    }
    forbidden: list[tuple[str, dict[str, JsonValue], str]] = [
        ("change_flights", basic, "flights of basic economy can't be changed"),
        ("change_flights", better, "the gift_card does not hold as much"),
        ("change_flights", {**better, "flights": [*flights, flights[0]]}, "each once"),
        ("change_passengers", {"reservation_id": "S61CZX", "passengers": []}, "number of passengers"),
        ("change_bags", {**bags, "total_baggages": 0, "nonfree_baggages": 0}, "added and not removed"),
        ("change_bags", {**bags, "nonfree_baggages": 0}, "1 of 2 bags are not free"),
        ("change_bags", {**bags, "payment_id": "certificate_8045380"}, "a certificate pays for no change"),
        ("change_bags", {**bags, "payment_id": "credit_card_1"}, "no such payment method"),
        ("cancel", {"reservation_id": "WUNA5K"}, "a part of it has been flown"),
        ("compensate", {"reservation_id": "S61CZX", "amount": 100}, "that are due for its flights: none"),
        ("book", booking(1, {CARD: 173}), "the price is 174"),
        ("book", booking(1, {CARD: 200, "gift_card_5094406": -26}), "above zero"),
        ("book", booking(1, {"certificate_3887113": 174}), "the certificate does not hold as much"),
        ("book", booking(1, {"certificate_3887113": 87, "certificate_8045380": 87}), "so many of a kind"),
        ("book", booking(4, {CARD: 696}), "not as many seats"),
        ("book", booking(6, {CARD: 1044}), "one to 5 passengers"),
        ("book", booking(1, {CARD: 174}, destination="LGA"), "trip from ORD to LGA"),
    ]
    for number, (tool, arguments, reason) in enumerate(forbidden):
        result = desk.granted(Asked(tool, arguments, "sophia_silva_7557"), str(number))
        assert ("failed", True) == (result.kind, reason in result.message), (tool, arguments, result.message)

    assert (set(), b"") == (changed(desk, untouched), desk.changes)


CARD = "credit_card_4196779"


def booking(count: int, payments: dict[str, int], *, destination: str = "PHL") -> dict[str, JsonValue]:
    """A flight at 174 dollars that has three seats left, for so many."""
    trip: dict[str, JsonValue] = {
        "flight_type": "one_way",
        "origin": "ORD",
        "destination": destination,
        "cabin": "economy",
        "flights": [{"flight_number": "HAT271", "date": "2024-05-26"}],
        "passengers": [{"first_name": "Sophia", "last_name": "Silva", "dob": "1957-10-05"}] * count,
        "total_baggages": 0,
        "nonfree_baggages": 0,
        "insurance": "no",
    }
    return {"trip": trip, "payments": [{"payment_id": name, "amount": amount} for name, amount in payments.items()]}
