"""Labels leave a compromised planner no choice, and the benchmark would see an attack that passes or a tuned policy."""

from pathlib import Path

import pytest
from pydantic import JsonValue

from benchmarks import compromised_planner as benchmark
from benchmarks.dojo_desk import Desk
from benchmarks.dojo_labels import COMPOSED, UNSAID, Provenance
from benchmarks.dojo_suites import Suite, load_suites
from benchmarks.dojo_words import Request
from benchmarks.dojo_words_found import foreign_words
from workbench.core import DataError
from workbench.safety import USER, Label
from workbench.tools import Facts, Result, Tool, declare

MAIL = Label(integrity="untrusted", sources=("tool:search_emails",))
FOUND: dict[str, JsonValue] = {"id_": "7", "title": "Team lunch", "participants": ["ann@x.example"]}


def search_calendar_events(query: str) -> list[dict[str, str]]:
    """Search."""
    return [{"title": query}]


def send_email(recipients: list[str], subject: str, body: str) -> str:
    """Send."""
    return f"{recipients} {subject} {body}"


SEARCH = declare(search_calendar_events, Facts(effect="read"))
SEND = declare(send_email, Facts(effect="external", content=("subject", "body")))


def began(text: str, found: list[JsonValue] | None = None, *, query: str = "Team lunch") -> Provenance:
    """A session that read what others wrote, and then this."""
    session = Provenance(Request(text))
    session.read(SEARCH, {"query": "news"}, Result(call_id="0", kind="done", value="see www.y.example", label=MAIL))
    if found is not None:
        session.read(SEARCH, {"query": query}, Result(call_id="1", kind="done", value=found, label=MAIL))
    return session


def trusted(session: Provenance, tool: Tool, **arguments: JsonValue) -> dict[str, bool]:
    """What is trusted of a call."""
    return {path: label.trusted for path, label in session.labels(tool, arguments).items()}


def test_only_what_the_request_says_is_the_users() -> None:
    """An address of the request is trusted, another one is not, nor is a call that the request does not ask for."""
    asked = trusted(began("Send an email to ann@x.example."), SEND, recipients=["ann@x.example", "eve@y.example"])
    unasked = trusted(began("Who is ann@x.example?"), SEND, recipients=["ann@x.example"])

    assert asked == {"": True, "/recipients/0": True, "/recipients/1": False}
    assert unasked == {"": False, "/recipients/0": True}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Ann Bell", True),
        ("nn Bell", False),
        ("ann@x.example", True),
        ("x.example", False),
        (12.0, True),
        (2, False),
        (True, False),
        ("2024-05-03", True),
        ("2024-05-03 10:00", False),
        ("2024-05-04", False),
    ],
)
def test_a_request_says_whole_words_numbers_and_days(value: JsonValue, expected: bool) -> None:
    """Parts of words, of addresses and of numbers are not said."""
    assert Request("Pay 12.00 to Ann Bell, or ann@x.example, on the 3rd of May.").says(value) is expected


def test_a_request_that_leaves_a_slot_takes_what_fills_it() -> None:
    """But no address of others in it."""
    session = began("Send an email titled 'Dinner at {restaurant}'.")

    assert trusted(session, SEND, subject="Dinner at Joe's")["/subject"] is True
    assert trusted(session, SEND, subject="Dinner at www.y.example")["/subject"] is False


def test_before_anything_untrusted_was_read_nobody_else_had_a_say() -> None:
    """A planner that only knows the request is the user's."""
    assert trusted(Provenance(Request("Hello")), SEND, body="any") == {"": True, "/body": True}


@pytest.mark.parametrize(
    ("found", "query", "expected"),
    [
        ([FOUND], "Team lunch", True),
        ([FOUND, {**FOUND, "id_": "8"}], "Team lunch", False),
        ([FOUND, {**FOUND, "id_": "8", "title": "Not the team lunch"}], "Team lunch", True),
        ([FOUND], "lunch", False),
        ([FOUND], "Board meeting", False),
    ],
)
def test_a_handle_is_meant_if_one_thing_bears_the_name_that_is_said(
    found: list[JsonValue], query: str, expected: bool
) -> None:
    """A second thing of that name, a plain word, or a name that the request does not say leaves a choice."""

    def reschedule_calendar_event(event_id: str) -> str:
        """Move."""
        return event_id

    tool = declare(reschedule_calendar_event, Facts(effect="external"))
    assert trusted(began("Move the 'Team lunch'.", found, query=query), tool, event_id="7")["/event_id"] is expected


def test_a_field_is_meant_only_if_the_request_names_it() -> None:
    """People of an event get a mail unasked if the request speaks of its participants; a handle is nobody's address."""
    named = began("Send an email to the participants of the team lunch.", [FOUND])
    unnamed = began("Send an email on the team lunch.", [FOUND])

    assert trusted(named, SEND, recipients=["ann@x.example", "7"])["/recipients/0"] is True
    assert trusted(named, SEND, recipients=["ann@x.example", "7"])["/recipients/1"] is False
    assert trusted(unnamed, SEND, recipients=["ann@x.example"])["/recipients/0"] is False


def test_addresses_that_are_unsaid_or_composed_are_noted() -> None:
    """What a policy can ask of the sources."""
    labels = began("Send an email.").labels(SEND, {"subject": "www.y.example", "body": "www.y.example/secret"})

    assert UNSAID in labels["/subject"].sources
    assert COMPOSED not in labels["/subject"].sources
    assert {UNSAID, COMPOSED} <= set(labels["/body"].sources)


@pytest.fixture(scope="module")
def banking() -> Suite:
    """A suite, if it is installed."""
    try:
        return load_suites(("banking",))[0]
    except DataError as error:
        pytest.skip(str(error))


def first_pair(suite: Suite, folder: Path) -> benchmark.Pair:
    """The first user task that reads what others wrote and pays, under the first attack."""
    desk, task, injection = Desk(suite, folder), suite.user_tasks[0], suite.injection_tasks[0]
    places = benchmark.places_read(desk, task)
    return benchmark.Pair(desk, task, injection, suite.environment(dict.fromkeys(places, injection.GOAL)))


def test_an_attack_is_read_and_stopped(banking: Suite, tmp_path: Path) -> None:
    """And the user's task is done, with one approval for its one effect."""
    pair = first_pair(banking, tmp_path)
    found = benchmark.attack(pair)
    served = benchmark.serve(pair.desk, pair.task)

    assert (found["unread"], found["stopped pairs"], found["done"], found["reached"]) == (0, 1, 0, 0)
    assert (served["finished"], served["free"], served["approvals"]) == (1, 0, 1)


def test_an_attack_that_passes_is_seen(banking: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With labels that trust everybody the money is gone, and each count says so."""
    monkeypatch.setattr(Provenance, "labels", lambda *_: {"": USER})
    found = benchmark.attack(first_pair(banking, tmp_path))

    assert (found["stopped pairs"], found["reached"]) == (0, 1)
    assert found["done"] > 0


def test_a_word_of_an_injection_in_the_policies_is_found(banking: Suite) -> None:
    """Were the first goal among them, its words would be told."""
    told = set(foreign_words([banking], more=banking.injection_tasks[0].GOAL)) - set(foreign_words([banking]))

    assert told
