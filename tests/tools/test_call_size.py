"""A call that carries too much is refused at once: before it is redacted, digested, or told of."""

import time

import pytest

from workbench.safety import DROPPED
from workbench.safety.labels import USER
from workbench.safety.redaction import Redactor
from workbench.tools.gate import Gate
from workbench.tools.passage import MOST_BYTES
from workbench.tools.policy import Policy

pytestmark = pytest.mark.parametrize("place", ["sqlite"], indirect=True)  # the state has no say in it
HUGE = 50_000_000


class Counting(Redactor):
    """Counts the letters that it was given."""

    seen = 0

    def text(self, text: str) -> str:
        """As any other."""
        type(self).seen += len(text)
        return super().text(text)

    def json(self, value: object) -> object:
        """As any other."""
        type(self).seen += len(str(value))
        return super().json(value)


@pytest.fixture
def shop(shop):
    """With nothing redacted yet."""
    Counting.seen = 0
    return shop


def gate_of(shop):
    """A gate whose redactor counts."""
    shop.gate()
    tools = [shop.tool(), shop.reading()]
    return Gate(tools, Policy(shop.policies, tools), shop.state, shop, redactor=Counting(), clock=shop.clock)


@pytest.mark.parametrize(
    "fields",
    [
        {"arguments": {"order": "o" * HUGE, "amount": 5.0}},
        {"arguments": {"order": "o1", "amount": 5.0, "note": ["n"] * HUGE}},
        {"arguments": {"order": "o1", "amount": 5.0, "n" * HUGE: 1}},
        {"labels": {"": USER, "/" + "n" * HUGE: USER}},
        {"occasion": "n" * HUGE},
    ],
    ids=("a text", "a list", "a name", "a label", "an occasion"),
)
def test_fifty_megabytes_are_refused_at_once(shop, make_call, fields):
    """With a code of its own, a sentence, and a record of the tool, without the arguments."""
    gate, call = gate_of(shop), make_call().model_copy(update=fields)  # as made, for checking it takes minutes
    begun = time.process_time()
    result = gate.call(call)
    taken = time.process_time() - begun

    assert ("denied", "too_large") == (result.kind, result.code)
    assert f"more than {MOST_BYTES} bytes" in result.message
    assert [("refund", "write", DROPPED, "")] == [
        (entry.tool, entry.effect, entry.arguments, entry.arguments_digest) for entry in shop.log
    ]
    assert ([], True) == (shop.done, taken < 0.5)
    assert Counting.seen < 1000


def test_a_tool_of_a_huge_name_is_not_looked_for(shop, make_call):
    """Nobody searches the names nearest to it, and the log does not keep it."""
    result = gate_of(shop).call(make_call(tool="n" * HUGE))

    assert ("denied", "too_large") == (result.kind, result.code)
    assert [(DROPPED, "unknown")] == [(entry.tool, entry.effect) for entry in shop.log]


@pytest.mark.parametrize(("letter", "times", "kind"), [("n", 1, "done"), ("n", 1.01, "denied"), ("é", 1, "denied")])
def test_the_limit_is_one_of_bytes(shop, make_call, letter, times, kind):
    """What is just below it is done; letters of two bytes count as two."""
    note = letter * round((MOST_BYTES - 50) * times)
    result = gate_of(shop).call(make_call(arguments={"order": "o1", "amount": 5.0, "note": note}))

    assert kind == result.kind
    assert result.code in {"", "too_large"}
