"""Calls of tools, retrievers and judges are made once, kept and in the ledger, like a model's."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from asking import ask, engine, in_threads

from workbench.core import Budget, BudgetExceeded, LMError, Meter
from workbench.lms import CallStore, External, SharedMeter, idempotency_key, journaled, scope, scripted_lm, totals

WEATHER = External(kind="tool", name="weather", version="1", usd=0.25)
WIKI = External(kind="retriever", name="wiki", version="2026-01", pure=True)
JUDGE = External(kind="judge", name="polite", version="3", pure=True)


class Town:
    """A service outside that counts its calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.keys: list[str] = []

    def forecast(self, town: str, *, days: int = 1) -> dict[str, str | int]:
        """Another answer each time."""
        self.calls.append(town)
        self.keys.append(idempotency_key())
        return {"town": town, "days": days, "number": len(self.calls)}


def _weather(folder: Path, town: Town, external: External = WEATHER) -> Callable[..., dict[str, str | int]]:
    return journaled(CallStore(folder / "calls.db"), external)(town.forecast)


def test_a_result_is_found_again_by_the_run_that_goes_on(tmp_path: Path) -> None:
    """A new process makes the same calls: it gets each result, equal ones by their order, and calls nothing."""
    first, second = Town(), Town()
    results = []
    for town in (first, second):
        weather = _weather(tmp_path, town)
        with scope(run="search", candidate="a", case="1"):
            results.append([weather("Oslo"), weather("Rome", days=1), weather("Oslo")])

    assert [1, 2, 3] == [one["number"] for one in results[0]]
    assert results[0] == results[1]
    assert (["Oslo", "Rome", "Oslo"], []) == (first.calls, second.calls)


def test_arguments_are_the_call_however_they_are_given(tmp_path: Path) -> None:
    """By position, by name or by default; another version, name or kind is another call."""
    town = Town()
    pure = External(kind="tool", name="weather", pure=True)
    weather = _weather(tmp_path, town, pure)
    same = [weather("Oslo"), weather(town="Oslo"), weather("Oslo", days=1)]
    others = [
        weather("Oslo", days=2),
        *(
            _weather(tmp_path, town, pure.model_copy(update=change))("Oslo")
            for change in ({"version": "2"}, {"name": "rain"}, {"kind": "judge"})
        ),
    ]

    assert [1, 1, 1] == [one["number"] for one in same]
    assert [2, 3, 4, 5] == [one["number"] for one in others]


def test_what_is_not_pure_belongs_to_its_run_candidate_and_case(tmp_path: Path) -> None:
    """A pure call serves every run; another one is made for each that asks, and found by it in whatever order."""
    town, library = Town(), Town()
    asking = [("a", "x", "1"), ("b", "x", "1"), ("a", "y", "1"), ("a", "x", "2")]
    found = []
    for order in (asking, asking[::-1]):
        weather, search = _weather(tmp_path, town), _weather(tmp_path, library, WIKI)
        results = {}
        for run, candidate, case in order:
            with scope(run=run, candidate=candidate, case=case):
                results[run, candidate, case] = weather("Oslo")["number"]
                search("Oslo")
        found.append(results)

    assert (4, 1) == (len(town.calls), len(library.calls))
    assert found[0] == found[1] == dict(zip(asking, (1, 2, 3, 4), strict=True))


def test_a_failed_call_keeps_nothing_and_does_not_shift_the_others(tmp_path: Path) -> None:
    """Neither result nor row nor number: a run that goes on finds what succeeded."""
    outcomes = iter(["one", "", "two"])

    def call(_text: str) -> str:
        outcome = next(outcomes)
        if not outcome:
            raise ConnectionError
        return outcome

    store = CallStore(tmp_path / "calls.db")
    tool = journaled(store, WEATHER)(call)
    results = [tool("x")]
    with pytest.raises(ConnectionError):
        tool("x")
    results.append(tool("x"))
    resumed = journaled(CallStore(tmp_path / "calls.db"), WEATHER)(call)

    assert ["one", "two"] == results == [resumed("x"), resumed("x")]
    assert [False, False, True, True] == store.frame()["cached"].to_list()


@pytest.mark.parametrize("kind", ["tool", "retriever", "judge", "metric"])
def test_calls_stand_in_the_ledger_beside_the_model_s(
    tmp_path: Path, kind: Literal["tool", "retriever", "judge", "metric"]
) -> None:
    """Under run, candidate and case; dollars count, calls, tokens and time of models are not mixed up with them."""
    store = CallStore(tmp_path / "calls.db")
    lm = scripted_lm(lambda _prompt: "yes", store=store)
    call = journaled(store, External(kind=kind, name="it", usd=0.5, pure=True))(len)
    with scope(run="r", candidate="c", case="1") as tally:
        lm("is it?")
        assert [2, 2] == [call("ab"), call("ab")]
    rows = store.frame("r")
    usage, spent = tally.usage(), totals(rows)

    assert [("lm", False), (kind, False), (kind, True)] == list(zip(rows["kind"], rows["cached"], strict=True))
    assert ["scripted", "it", "it"] == rows["model"].to_list()
    assert {("c", "1")} == set(zip(rows["candidate"], rows["case_id"], strict=True))
    assert (1, 0, 0.5) == (usage.calls, usage.cached_calls, usage.usd)
    assert (1, 3, 0.5) == (spent.calls, spent.tokens, spent.usd)
    assert usage.milliseconds == usage.model_milliseconds < sum(rows["milliseconds"])


def test_equal_calls_at_once_are_made_once(tmp_path: Path) -> None:
    """On eight threads, over two stores of one file as two processes have."""
    town = Town()

    def slow(text: str) -> str:
        time.sleep(0.1)
        town.forecast(text)
        return text

    wikis = [journaled(CallStore(tmp_path / "calls.db"), WIKI)(slow) for _ in range(2)]

    def work(number: int) -> None:
        assert "Oslo" == wikis[number % 2]("Oslo")

    in_threads(work)

    assert ["Oslo"] == town.calls
    assert [False] + [True] * 7 == sorted(CallStore(tmp_path / "calls.db").frame()["cached"])


CHILD = """
import sys, time
from pathlib import Path
from workbench.lms import CallStore, External, idempotency_key, journaled, scope
def call(town):
    print(idempotency_key(), flush=True)
    time.sleep(60)
tool = journaled(CallStore(Path(sys.argv[1])), External(kind="tool", name="weather", version="1", usd=0.25))(call)
with scope(run="search", candidate="a", case="1"):
    tool("Oslo")
"""


def test_a_call_that_a_kill_cut_short_is_made_again_under_the_same_key(tmp_path: Path) -> None:
    """So whoever is called can tell that it is the same one; nobody waits for the dead."""
    arguments = [sys.executable, "-c", CHILD, str(tmp_path / "calls.db")]
    child = subprocess.Popen(arguments, stdout=subprocess.PIPE)
    assert child.stdout is not None
    key = child.stdout.readline().decode().strip()
    child.kill()
    child.communicate()
    keys: list[str] = []

    def call(town: str) -> str:
        keys.append(idempotency_key())
        return town

    with scope(run="search", candidate="a", case="1"):
        journaled(CallStore(tmp_path / "calls.db"), WEATHER)(call)("Oslo")

    assert [key] == keys
    assert "" == idempotency_key() != key


def test_a_budget_in_dollars_holds_for_calls_outside(tmp_path: Path) -> None:
    """Of every meter; a run that goes on pays nothing for what it has."""
    for name in ("memory", "shared"):
        store = CallStore(tmp_path / f"{name}.db")
        for _process in range(2):
            meter = Meter(Budget(usd=0.6)) if name == "memory" else SharedMeter(Budget(usd=0.6), store=store, name="m")
            tool = journaled(store, WEATHER, meter=meter)(lambda town: town)
            with scope(run="r"):
                tool("Oslo")
                tool("Rome")
                with pytest.raises(BudgetExceeded, match=r"'usd': 0\.75 would exceed the limit of 0\.6"):
                    tool("Bern")
            assert 0.5 == meter.spent.usd


def test_a_call_without_a_price_may_ask_a_model_and_one_with_a_price_may_not(tmp_path: Path) -> None:
    """What is priced twice could wait for itself; a judge's own price is that of the models it asks."""
    store = CallStore(tmp_path / "calls.db")
    meter = Meter(Budget(calls=1, usd=1.0))
    accounted = engine(lambda prompt: prompt, store, meter)

    def judge(text: str) -> str:
        return str(accounted.complete(ask(text)).message.text)

    assert "is it?" == journaled(store, JUDGE, meter=meter)(judge)("is it?")
    with pytest.raises(LMError, match="call of 'weather': has a price and calls 'm', which has its own"):
        journaled(store, WEATHER, meter=meter)(judge)("another")
    assert ["lm", "judge"] == store.frame()["kind"].to_list()


def test_only_json_goes_in_and_out(tmp_path: Path) -> None:
    """Nothing is called with what can't be told apart; a result that can't be kept is none; a tuple is a list."""
    store, called = CallStore(tmp_path / "calls.db"), threading.Event()

    def pair(value: object) -> list[int]:
        called.set()
        return (1, 2) if value is None else {3}  # type: ignore[return-value]

    call = journaled(store, WIKI)(pair)
    with pytest.raises(LMError, match="retriever 'wiki': its arguments can't be kept as JSON"):
        call(object())
    assert not called.is_set()
    assert [[1, 2], [1, 2]] == [call(None), call(None)]
    with pytest.raises(LMError, match="retriever 'wiki': its result can't be kept as JSON"):
        call("set")
