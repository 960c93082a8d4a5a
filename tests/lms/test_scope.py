"""Scopes: every call belongs to the innermost names, and is counted in every scope around it."""

import contextvars
import threading
from pathlib import Path

from workbench.core import Usage
from workbench.lms import CallStore, Tally, Where, here, scope, scripted_lm
from workbench.lms.scope import Call


def test_names_are_inherited_and_restored() -> None:
    """What is not given comes from outside; leaving gives back what was, also after an error."""
    with scope(run="r", candidate="c"):
        with scope(case="q", module="fill"), scope(module="choose"):
            assert Where(run="r", candidate="c", case_id="q", module="choose") == here()
        try:
            with scope(run="other"):
                raise ConnectionError
        except ConnectionError:
            pass
        assert Where(run="r", candidate="c") == here()

    assert Where() == here()


def test_the_ledger_says_who_a_call_was_made_for(tmp_path: Path) -> None:
    """Run, candidate, case and module of the innermost scope, for paid and cached calls."""
    store = CallStore(tmp_path / "calls.db")
    lm = scripted_lm(lambda prompt: prompt, store=store)
    with scope(run="r", candidate="c"):
        for case in ("q-1", "q-2"):
            with scope(case=case), scope(module="fill"):
                lm("the same")
    lm("the same")

    assert [("r", "c", "q-1", "fill", False), ("r", "c", "q-2", "fill", True), ("", "", "", "", True)] == list(
        store.frame().select("run", "candidate", "case_id", "module", "cached").rows()
    )


def test_a_call_counts_in_every_scope_around_it(tmp_path: Path) -> None:
    """The outer tally is the sum of the inner ones and its own."""
    lm = scripted_lm(lambda _prompt: "a b", store=CallStore(tmp_path / "calls.db"))
    with scope(run="r") as outer:
        with scope(case="1") as first:
            lm("one two three")
        with scope(case="2") as second:
            lm("one two three")
            lm("four")
        lm("five")

    assert (1, 0, 3, 2, 0) == _counts(first)
    assert (1, 1, 1, 2, 5) == _counts(second)
    assert (3, 1, 5, 6, 5) == _counts(outer)


def _counts(tally: Tally) -> tuple[int, int, int, int, int]:
    usage = tally.usage()
    return usage.calls, usage.cached_calls, usage.prompt_tokens, usage.completion_tokens, usage.saved_tokens


def test_a_thread_sees_the_scope_only_if_the_context_is_copied(tmp_path: Path) -> None:
    """A plain thread accounts to nobody; one that copies the context accounts to the caller's scope."""
    store = CallStore(tmp_path / "calls.db")
    lm = scripted_lm(lambda prompt: prompt, store=store)
    with scope(run="r") as tally:
        plain = threading.Thread(target=lm, args=("plain",))
        copied = threading.Thread(target=contextvars.copy_context().run, args=(lm, "copied"))
        for thread in (plain, copied):
            thread.start()
            thread.join()

    assert ["", "r"] == store.frame()["run"].to_list()
    assert 1 == tally.usage().calls


def test_scopes_of_threads_don_t_mix(tmp_path: Path) -> None:
    """Eight threads under one run, each with its own case: every call has its own case, the run has all."""
    store = CallStore(tmp_path / "calls.db")
    lm = scripted_lm(lambda prompt: prompt, store=store)
    tallies: dict[int, Usage] = {}

    def work(number: int) -> None:
        with scope(case=f"q-{number}") as tally:
            for turn in range(20):
                lm(f"q-{number} {turn}")
        tallies[number] = tally.usage()

    with scope(run="r") as outer:
        threads = [threading.Thread(target=contextvars.copy_context().run, args=(work, number)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    ledger = store.frame("r")

    assert {20} == {usage.calls for usage in tallies.values()}
    assert 160 == outer.usage().calls == ledger.height
    assert {f"q-{number}": 20 for number in range(8)} == {
        str(name): count for name, count in ledger["case_id"].value_counts().rows()
    }


def test_an_unknown_price_stays_unknown() -> None:
    """Of a paid call; of a cached one it doesn't matter."""

    def call(*, cached: bool, usd: float | None) -> Call:
        return Call(
            key="k", where=Where(), model="m", cached=cached, prompt_tokens=1, completion_tokens=1, usd=usd,
            milliseconds=1.0, started="",
        )  # fmt: skip

    known, unknown = Tally(), Tally()
    for tally in (known, unknown):
        tally.add(call(cached=False, usd=0.5))
        tally.add(call(cached=True, usd=None))
    unknown.add(call(cached=False, usd=None))

    assert (0.5, None, 0.0) == (known.usage().usd, unknown.usage().usd, Tally().usage().usd)
