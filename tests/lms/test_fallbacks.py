"""Models that fail: another is asked, at most so often and so long, and an error has a type."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from asking import ask, in_threads
from dspy.lm15 import (
    AuthError,
    ContextLengthError,
    InvalidRequestError,
    LM15Error,
    ProviderError,
    RateLimitError,
    Response,
    ServerError,
    TransportError,
)

from workbench.core import Budget, LMError, Meter
from workbench.lms import CallStore, ScriptedEngine, routing, totals
from workbench.lms.accounted import AccountedEngine, Terms
from workbench.lms.routing import NoAnswer, RoutedEngine
from workbench.lms.spec import LMSpec, Price
from workbench.lms.timed import TimedEngine

SECRET = "sk-in-the-providers-words"


class Clock:
    """Stands still until it is moved, or moves so far whenever somebody looks."""

    now = 100.0
    step = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "FIRST_WAIT_SECONDS", 0.001)
    monkeypatch.setattr(routing, "LONGEST_WAIT_SECONDS", 0.002)


def model(
    name: str,
    answer: Callable[[str], str],
    store: CallStore | None = None,
    meter: Meter | None = None,
) -> AccountedEngine:
    """A model of that name that answers by rule."""
    terms = Terms(
        model=name, identity=name, max_tokens=5, timeout_seconds=1, price=Price(prompt_usd=1, completion_usd=1, date="")
    )
    return AccountedEngine(ScriptedEngine(answer), terms, pricing=lambda _asked, _said: 0.25, store=store, meter=meter)


class Failing:
    """Raises what it was given, in turn, then answers; counts how often it was asked."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.asked = 0

    def __call__(self, prompt: str) -> str:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return f"answer to {prompt}"


def routed(*engines: AccountedEngine, seconds: float = 60, clock: Callable[[], float] = time.monotonic) -> RoutedEngine:
    return RoutedEngine(engines, deadline_seconds=seconds, clock=clock)


def down(times: int = 99) -> list[Exception]:
    return [ServerError(SECRET, status=500) for _ in range(times)]


@pytest.mark.parametrize(
    "error",
    [ServerError("", status=503), TransportError(""), RateLimitError(""), ProviderError("", status=200)],
    ids=["5xx", "network", "429", "garbled"],
)
def test_a_model_that_failed_once_is_asked_again(tmp_path: Path, error: LM15Error) -> None:
    """The failed attempt stands beside the ledger with its kind; the ledger has the paid call alone."""
    store = CallStore(tmp_path / "calls.db")
    answer = Failing(error)
    said = routed(model("a", answer, store)).complete(ask("x"))

    assert ("answer to x", 2) == (said.message.text, answer.asked)
    assert [("a", error.code)] == [(row["model"], row["error"]) for row in store.misses().iter_rows(named=True)]
    assert (1, 0.25) == (totals(store.frame()).calls, totals(store.frame()).usd)


def test_the_next_model_answers_at_once_and_by_its_own_name(tmp_path: Path) -> None:
    """Its answer is its own in ledger and store, and is given again without asking the first."""
    store = CallStore(tmp_path / "calls.db")
    first, second = Failing(*down()), Failing()
    engine = routed(model("a", first, store), model("b", second, store))
    answers = [engine.complete(ask("x")).message.text for _ in range(3)]
    again = routed(model("a", first, store), model("b", second, store)).complete(ask("x")).message.text
    alone = routed(model("b", second, store)).complete(replace(ask("x"), model="b")).message.text

    assert {"answer to x"} == {*answers, again, alone}
    assert (1, 1) == (first.asked, second.asked)
    assert [("b", False)] + [("b", True)] * 4 == list(zip(*store.frame()[["model", "cached"]], strict=True))


def test_repeats_of_a_sampled_question_are_found_again_whoever_answered(tmp_path: Path) -> None:
    """The second asking is another one, also where the first was answered by the fallback."""
    store = CallStore(tmp_path / "calls.db")
    first, second = Failing(*down(1)), Failing()
    for _ in range(2):
        engine = routed(model("a", first, store), model("b", second, store))
        for _ in range(2):
            engine.complete(ask("x", 0.7))

    assert (2, 1) == (first.asked, second.asked)
    assert ["b", "a", "b", "a"] == store.frame()["model"].to_list()


def test_when_all_fail_the_error_names_models_and_kinds_and_no_words_of_theirs() -> None:
    """Typed, with at most so many attempts."""
    first, second = Failing(*down()), Failing(TransportError(SECRET), *down())
    with pytest.raises(NoAnswer, match=r"'a': no answer .a: server, b: transport, a: server, b: server.;") as raised:
        routed(model("a", first), model("b", second)).complete(ask("x"))

    assert isinstance(raised.value, LMError)
    assert SECRET not in str(raised.value)
    assert (2, 2) == (first.asked, second.asked)


@pytest.mark.parametrize("error", [InvalidRequestError("no such field"), AuthError("bad key"), ContextLengthError("x")])
def test_a_refusal_is_not_repeated(error: Exception) -> None:
    """Alone it passes as it is; with a fallback that one is asked."""
    first, second = Failing(error, error), Failing()
    with pytest.raises(type(error)):
        routed(model("a", first)).complete(ask("x"))
    said = routed(model("a", first), model("b", second)).complete(ask("x"))

    assert ("answer to x", 2, 1) == (said.message.text, first.asked, second.asked)


def test_a_model_that_says_when_to_come_back_is_left_alone_until_then() -> None:
    """Also by other questions; one that can't wait so long gets its error at once."""
    clock = Clock()
    first, second = Failing(RateLimitError("", retry_after=7)), Failing()
    engine = routed(model("a", first), model("b", second), clock=clock)
    for number in range(3):
        engine.complete(ask(f"x {number}"))
    clock.now += 7
    engine.complete(ask("later"))
    alone = Failing(RateLimitError("", retry_after=61))
    with pytest.raises(NoAnswer, match="within deadline_seconds: 60"):
        routed(model("a", alone), clock=clock).complete(ask("x"))

    assert (2, 3, 1) == (first.asked, second.asked, alone.asked)


def test_the_breaker_opens_at_the_fifth_failure_and_one_attempt_tries_again() -> None:
    """While it is open the other one answers; the rest doubles while the trial fails; then the first is back."""
    clock = Clock()
    first, second = Failing(*down(6)), Failing()
    engine = routed(model("a", first), model("b", second), clock=clock)

    def asked(count: int, number: list[int] = [0]) -> int:  # noqa: B006 - counts on
        for _ in range(count):
            number[0] += 1
            engine.complete(ask(f"x {number[0]}"))
        return first.asked

    shut = asked(20)
    clock.now += 1
    trial = asked(5)
    clock.now += 1
    still = asked(5)
    clock.now += 1
    assert (5, 6, 6) == (shut, trial, still)
    assert 11 == asked(5)


def test_a_model_that_fails_half_of_the_time_rests_where_another_stands_by() -> None:
    """Five of the last ten are enough; the last one goes on, for half an answer is better than none."""
    asked = []
    for others in ([model("b", Failing())], []):
        half = Failing()
        engine = routed(model("a", half), *others, clock=Clock())
        for number in range(20):
            half.errors = down(1) if number % 2 else []
            engine.complete(ask(f"x {number}"))
        asked.append(half.asked)

    assert [10, 30] == asked


def test_where_every_model_rests_an_error_comes_at_once_or_after_a_wait_that_the_deadline_allows() -> None:
    """Nothing is asked; with time enough it waits for the trial instead."""
    first = Failing(*down(5))
    engine = routed(model("a", first), seconds=1.2)
    for number in range(2):
        with pytest.raises(NoAnswer):
            engine.complete(ask(f"x {number}"))
    began = time.monotonic()
    with pytest.raises(NoAnswer, match=r"every model rests after failures.; none may be asked again within deadline"):
        engine.complete(ask("y"))
    took = time.monotonic() - began
    patient = RoutedEngine([engine._standings[0].engine], deadline_seconds=5)
    patient._standings = engine._standings

    assert "answer to z" == patient.complete(ask("z")).message.text
    assert took < 0.5
    assert 6 == first.asked


def test_no_attempt_begins_that_could_end_after_the_deadline() -> None:
    """An attempt may take a second: with 1.5 seconds to go and 0.6 gone, none is added."""
    clock = Clock()

    def slow(_prompt: str) -> str:
        clock.now += 0.6
        raise ServerError("", status=500)

    with pytest.raises(NoAnswer, match=r"a: server.; no further attempt fits into deadline_seconds: 1.5"):
        routed(model("a", slow), model("b", Failing()), seconds=1.5, clock=clock).complete(ask("x"))


def test_further_attempts_are_bounded_by_the_questions() -> None:
    """After what was saved up: a hundred questions, every attempt fails, and every rest is over when one looks."""
    clock, failing = Clock(), Failing(*down(500))
    clock.step = 40
    engine = routed(model("a", failing), seconds=1e9, clock=clock)
    for number in range(100):
        with pytest.raises(NoAnswer, match=f"after {routing.ATTEMPTS} attempts|too many attempts fail"):
            engine.complete(ask(f"x {number}"))

    assert 140 < failing.asked <= 100 + 40 + routing.SAVED


def test_every_attempt_reserves_before_it_is_made() -> None:
    """A failed one gives back what it held; where the budget is spent no model is asked."""
    first, second, meter = Failing(*down(1)), Failing(), Meter(Budget(calls=1))
    engine = routed(model("a", first, meter=meter), model("b", second, meter=meter))
    engine.complete(ask("x"))
    with pytest.raises(Exception, match="budget 'calls'"):
        engine.complete(ask("y"))

    assert (1, 1, 1) == (meter.spent.calls, first.asked, second.asked)


def test_threads_share_breaker_and_allowance() -> None:
    """Eight threads, a first model that is down: five of its failures and those under way, then none."""
    first, second = Failing(*down()), Failing()
    engine = routed(model("a", first), model("b", second), clock=Clock())

    def work(number: int) -> None:
        for nth in range(20):
            engine.complete(ask(f"{number} {nth}"))

    in_threads(work)

    assert 5 <= first.asked <= 12
    assert 160 == second.asked


def test_an_engine_that_trickles_is_left_at_its_time() -> None:
    """The whole answer is bounded, not the wait for its next byte; a client's own crash has a type."""

    def trickle(_request: object) -> Response:
        time.sleep(5)
        raise AssertionError

    def crash(_request: object) -> Response:
        raise KeyError("choices")

    began = time.monotonic()
    with pytest.raises(TimeoutError, match="no whole answer within"):
        TimedEngine(trickle, 0.05).complete(ask("x"))
    with pytest.raises(LMError, match="its client failed: KeyError"):
        TimedEngine(crash, 5).complete(ask("x"))

    assert time.monotonic() - began < 2


def test_a_fallback_is_one_line_and_leaves_other_specs_as_they_were() -> None:
    """A name is enough; a spec without one has the bytes, and so the digest, that it always had."""
    spec = LMSpec.model_validate({"model": "openai/a", "max_tokens": 9, "fallback": ["groq/b", {"model": "embedded"}]})

    assert [("openai/a", 9), ("groq/b", 9), ("embedded", 9)] == [(one.model, one.max_tokens) for one in spec.models]
    assert spec == LMSpec.model_validate_json(spec.model_dump_json())
    assert {"fallback", "deadline_seconds"}.isdisjoint(LMSpec().model_dump())
    assert 120 == LMSpec().within_seconds
