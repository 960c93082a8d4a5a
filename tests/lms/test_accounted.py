"""Every question is asked once, every call is in the ledger, and its totals are the engine's own counts."""

import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from asking import ask, engine, in_threads

from workbench.core import Budget, LMError, Meter, stream
from workbench.lms import AccountedEngine, CallStore, LMSpec, ScriptedEngine, scope, scripted_lm, totals


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_the_ledger_s_totals_are_the_engine_s_own(tmp_path: Path, temperature: float) -> None:
    """Eight threads, hits, failures and repeats: calls and tokens agree exactly, per run and together."""
    flaky = stream(5, "failures")
    lock = threading.Lock()

    def answer(prompt: str) -> str:
        time.sleep(0.0005)
        with lock:
            fails = flaky.random() < 0.2
        if fails:
            raise ConnectionError("down")
        return f"answer to {prompt}"

    store = CallStore(tmp_path / "calls.db")
    inner, meter = ScriptedEngine(answer), Meter(Budget(calls=10_000))
    accounted = engine(inner, store, meter)
    failed = [0] * 8
    answered = [0] * 8

    def work(number: int) -> None:
        random = stream(5, "work", str(number))
        with scope(run=f"run-{number % 2}", candidate=f"c-{number}"):
            for _ in range(60):
                text = f"question {random.randint(1, 25)}"
                try:
                    reply = accounted.complete(ask(text, temperature)).message.text
                except ConnectionError:
                    failed[number] += 1
                else:
                    assert f"answer to {text}" == reply
                    answered[number] += 1

    in_threads(work)
    _agree(store, inner, meter)
    ledger = store.frame()

    assert 0 < sum(failed) < 200
    assert (480, sum(answered)) == (sum(answered) + sum(failed), ledger.height)
    assert answered == [ledger.filter(ledger["candidate"] == f"c-{number}").height for number in range(8)]
    assert temperature > 0 or inner.calls == 25


def _agree(store: CallStore, inner: ScriptedEngine, meter: Meter) -> None:
    """The ledger, the engine's counters and the budget say the same."""
    ledger = store.frame()
    paid = ledger.filter(~ledger["cached"])
    spent = totals(ledger)
    each = [totals(store.frame(run)) for run in ("run-0", "run-1")]
    tokens = paid["prompt_tokens"].sum(), paid["completion_tokens"].sum()

    assert (inner.prompt_tokens, inner.completion_tokens) == tokens
    assert (inner.calls, sum(tokens)) == (spent.calls, spent.tokens) == (meter.spent.calls, meter.spent.tokens)
    assert (spent.calls, spent.tokens) == (sum(one.calls for one in each), sum(one.tokens for one in each))
    assert paid["key"].n_unique() == paid.height == inner.calls


def test_equal_questions_asked_at_once_reach_the_engine_once(tmp_path: Path) -> None:
    """Seven of eight threads wait for the one answer, and don't pay."""

    def slow(_prompt: str) -> str:
        time.sleep(0.1)
        return "yes"

    store, inner = CallStore(tmp_path / "calls.db"), ScriptedEngine(slow)
    accounted = engine(inner, store)

    def work(_number: int) -> None:
        accounted.complete(ask("is it?"))

    in_threads(work)

    assert 1 == inner.calls
    assert [False] + [True] * 7 == sorted(store.frame()["cached"])


def test_equal_questions_never_run_side_by_side_even_after_a_failure(tmp_path: Path) -> None:
    """Those who waited for a call that failed take turns too, with each other and with those who come later."""
    running, most, tries = 0, 0, 0
    lock = threading.Lock()

    def answer(_prompt: str) -> str:
        nonlocal running, most, tries
        with lock:
            running += 1
            tries += 1
            mine, most = tries, max(most, running)
        time.sleep(0.05)
        with lock:
            running -= 1
        if mine <= 3:
            raise ConnectionError("down")
        return "yes"

    inner = ScriptedEngine(answer)
    accounted = engine(inner, CallStore(tmp_path / "calls.db"))

    def work(number: int) -> None:
        time.sleep(0.03 * number)
        for _ in range(4):
            with suppress(ConnectionError):
                accounted.complete(ask("is it?"))
                return

    in_threads(work, 6)

    assert (1, 4, 1) == (most, tries, inner.calls)


def test_different_questions_don_t_wait_for_each_other(tmp_path: Path) -> None:
    """A slow question holds up only its own kind."""
    released = threading.Event()

    def answer(prompt: str) -> str:
        if prompt == "slow":
            assert released.wait(20)
        return prompt

    accounted = engine(answer, CallStore(tmp_path / "calls.db"))
    slow = threading.Thread(target=accounted.complete, args=(ask("slow"),))
    slow.start()
    quick = accounted.complete(ask("quick")).message.text
    released.set()
    slow.join()

    assert "quick" == quick


def test_a_failed_call_keeps_nothing_and_frees_its_reservation(tmp_path: Path) -> None:
    """Neither an answer nor a row nor a budget is touched; the next try pays."""
    failing = [True]

    def answer(_prompt: str) -> str:
        if failing[0]:
            raise ConnectionError("down")
        return "yes"

    store, meter = CallStore(tmp_path / "calls.db"), Meter(Budget(calls=1))
    accounted = engine(answer, store, meter)
    with scope() as tally, pytest.raises(ConnectionError):
        accounted.complete(ask("is it?"))
    assert (0, 0, 1, 0) == (store.frame().height, meter.spent.calls, meter.left().calls, tally.usage().calls)
    failing[0] = False
    accounted.complete(ask("is it?"))

    assert (1, 1, 0) == (store.frame().height, meter.spent.calls, meter.left().calls)


def test_repeats_of_a_sampled_question_differ_and_are_found_again(tmp_path: Path) -> None:
    """Temperature above 0: three askings are three questions; a second engine on the same store finds each."""
    number = iter(range(100))
    store = CallStore(tmp_path / "calls.db")
    first = ScriptedEngine(lambda _prompt: f"draw {next(number)}")
    with scope(run="r"):
        accounted = engine(first, store)
        draws = [engine_text(accounted) for _ in range(3)]
        second = ScriptedEngine(lambda _prompt: "new")
        resumed = engine(second, CallStore(tmp_path / "calls.db"))
        again = [engine_text(resumed) for _ in range(4)]

    assert ["draw 0", "draw 1", "draw 2"] == draws
    assert [*draws, "new"] == again
    assert (3, 1) == (first.calls, second.calls)


def engine_text(accounted: AccountedEngine) -> str:
    """The answer to one sampled question."""
    return str(accounted.complete(ask("draw", 0.8)).message.text)


def test_a_sampled_call_that_failed_does_not_shift_the_numbers(tmp_path: Path) -> None:
    """A resumed run asks in order and must find every paid answer, also those after a failure."""
    outcomes = iter(["one", "", "two", "", "", "three"])

    def answer(_prompt: str) -> str:
        outcome = next(outcomes)
        if not outcome:
            raise ConnectionError("down")
        return outcome

    accounted = engine(answer, CallStore(tmp_path / "calls.db"))
    draws: list[str] = []
    while len(draws) < 3:
        try:
            draws.append(engine_text(accounted))
        except ConnectionError:
            continue
    after = ScriptedEngine(lambda _prompt: "paid twice")
    resumed = engine(after, CallStore(tmp_path / "calls.db"))

    assert ["one", "two", "three"] == draws == [engine_text(resumed) for _ in range(3)]
    assert 0 == after.calls


def test_runs_count_their_repeats_apart(tmp_path: Path) -> None:
    """Another run's first asking is a first asking: it finds what is kept."""
    number = iter(range(100))
    accounted = engine(lambda _prompt: f"{next(number)}", CallStore(tmp_path / "calls.db"))
    answers = []
    for run in ("a", "b", "a"):
        with scope(run=run):
            answers.append(engine_text(accounted))

    assert ["0", "0", "1"] == answers


def test_a_replayed_answer_is_the_one_that_was_paid_for(tmp_path: Path) -> None:
    """Text, reason to stop and usage; and a caller's money is not counted twice."""
    store = CallStore(tmp_path / "calls.db")
    paid = engine(lambda _prompt: "a b\nc é", store).complete(ask("x"))
    with scope(run="later") as tally:
        replayed = engine(lambda _prompt: "other", store).complete(ask("x"))
    usage = tally.usage()

    assert (paid.message.text, paid.finish_reason, paid.usage) == (
        replayed.message.text,
        replayed.finish_reason,
        replayed.usage,
    )
    assert (0, 1, 0.0, 0, 5) == (usage.calls, usage.cached_calls, usage.usd, usage.tokens - usage.saved_tokens, 5)
    assert usage.model_milliseconds > usage.milliseconds == 0.0


def test_through_dspy_a_question_is_asked_once_and_an_error_comes_out(tmp_path: Path) -> None:
    """dspy's own cache is off, an equal question finds the store; an error of ours is not lost or retried."""
    failing = ScriptedEngine(_broken)
    store = CallStore(tmp_path / "calls.db")
    lm = scripted_lm(lambda prompt: f"<{prompt}>", store=store)

    assert ["<hello>"] == lm("hello") == lm.copy()("hello")
    assert [False, True] == list(store.frame()["cached"])
    with pytest.raises(Exception, match="contract broken") as raised:
        scripted_lm(failing, store=store)("x")
    assert isinstance(raised.value, LMError) or isinstance(raised.value.__cause__, LMError)
    assert 2 == store.frame().height


def _broken(_prompt: str) -> str:
    raise LMError("contract broken")


def test_an_engine_s_state_names_the_model_and_nothing_else() -> None:
    """It is never restored from a file."""
    lm = scripted_lm(lambda prompt: prompt, spec=LMSpec(model="openai/test", key_env="TEST_KEY"))
    state = lm.engine.dump_state()

    assert {"model": "openai/test"} == state
    with pytest.raises(TypeError, match="not restored from a file"):
        AccountedEngine.load_state(state)
