"""Every question is asked once, every call is in the ledger, and its totals are the engine's own counts."""

import contextvars
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from dspy.lm15 import Config, Message, Request, Response

from workbench.core import Budget, BudgetExceeded, LMError, Meter, Spend, stream
from workbench.lms import AccountedEngine, CallStore, LMSpec, ScriptedEngine, scope, scripted_lm, totals
from workbench.lms.accounted import Terms

TERMS = Terms(model="m", identity="i", max_tokens=50, timeout_seconds=2.0, reserve_usd=0.001)


def ask(text: str, temperature: float = 0.0) -> Request:
    """One question."""
    config = Config(temperature=temperature, max_tokens=20)
    return Request(model="m", messages=(Message.user(text),), config=config)


def engine(
    answer: Callable[[str], str] | ScriptedEngine, store: CallStore | None, meter: Meter | None = None
) -> AccountedEngine:
    """An accounted engine over a rule; a token costs a millionth of a dollar."""
    inner = answer if isinstance(answer, ScriptedEngine) else ScriptedEngine(answer)
    return AccountedEngine(inner, TERMS, pricing=_price, store=store, meter=meter)


def _price(_request: Request, response: Response) -> float:
    return ((response.usage.input_tokens or 0) + (response.usage.output_tokens or 0)) / 1e6


def _threads(work: Callable[[int], None], count: int = 8) -> None:
    """Run `work` on so many threads, each with a copy of the caller's context."""
    threads = [
        threading.Thread(target=contextvars.copy_context().run, args=(work, number), daemon=True)
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads)


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

    _threads(work)
    ledger = store.frame()
    spent = totals(ledger)
    each = [totals(store.frame(run)) for run in ("run-0", "run-1")]

    assert 0 < sum(failed) < 200
    assert (480, sum(answered)) == (sum(answered) + sum(failed), ledger.height)
    assert (inner.calls, inner.prompt_tokens + inner.completion_tokens) == (spent.calls, spent.tokens)
    paid = ledger.filter(~ledger["cached"])
    assert (inner.prompt_tokens, inner.completion_tokens) == (
        paid["prompt_tokens"].sum(),
        paid["completion_tokens"].sum(),
    )
    assert paid["key"].n_unique() == paid.height
    assert (spent.calls, spent.tokens) == (sum(one.calls for one in each), sum(one.tokens for one in each))
    assert (spent.calls, spent.tokens) == (meter.spent.calls, meter.spent.tokens)
    assert answered == [ledger.filter(ledger["candidate"] == f"c-{number}").height for number in range(8)]
    assert temperature > 0 or inner.calls == 25


def test_equal_questions_asked_at_once_reach_the_engine_once(tmp_path: Path) -> None:
    """Seven of eight threads wait for the one answer, and don't pay."""

    def slow(_prompt: str) -> str:
        time.sleep(0.1)
        return "yes"

    store, inner = CallStore(tmp_path / "calls.db"), ScriptedEngine(slow)
    accounted = engine(inner, store)

    def work(_number: int) -> None:
        accounted.complete(ask("is it?"))

    _threads(work)

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

    _threads(work, 6)

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


def test_a_budget_is_reserved_before_the_model_is_asked(tmp_path: Path) -> None:
    """The most a call could cost must fit: prompt in bytes, the longest answer, the time limit, the price."""
    for budget in (Budget(calls=0), Budget(tokens=60), Budget(seconds=1.9), Budget(usd=0.0009)):
        inner = ScriptedEngine(lambda _prompt: "yes")
        with pytest.raises(BudgetExceeded):
            engine(inner, CallStore(tmp_path / "calls.db"), Meter(budget)).complete(ask("x" * 50))
        assert 0 == inner.calls


def test_a_reservation_covers_whatever_the_provider_may_count() -> None:
    """Texts of every role and the output schema: a model that counts each byte of them as a token can't overshoot."""
    schema = {"type": "json_schema", "schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
    request = Request(
        model="m",
        system="be brief é",
        messages=(Message.user("where?"), Message.assistant("there"), Message.user("sure?")),
        config=Config(max_tokens=20, response_format=schema),
    )
    texts = len("be brief éwhere?theresure?".encode()) + len(str(schema["schema"]))
    with pytest.raises(BudgetExceeded):
        engine(lambda _prompt: "x", None, Meter(Budget(tokens=texts + 20))).complete(request)


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


def _search(accounted: AccountedEngine, questions: range) -> int:
    """Ask in order until the budget ends it; how many were answered."""
    with scope(run="search"):
        for count, number in enumerate(questions):
            try:
                accounted.complete(ask(f"question {number % 40} {'word ' * (number % 7)}"))
            except BudgetExceeded:
                return count
    return len(questions)


@pytest.mark.parametrize("crash", [0, 1, 7, 19])
@pytest.mark.parametrize("budget", [Budget(calls=20), Budget(tokens=700), Budget(usd=0.0012)])
def test_a_resumed_search_stops_where_an_undisturbed_one_would(tmp_path: Path, crash: int, budget: Budget) -> None:
    """A new process, the same store, run and budget: its own calls are charged again, and it ends at the same call."""
    undisturbed = engine(lambda prompt: prompt, CallStore(tmp_path / "alone.db"), Meter(budget))
    expected = _search(undisturbed, range(100))
    first = ScriptedEngine(lambda prompt: prompt)
    _search(engine(first, CallStore(tmp_path / "calls.db"), Meter(budget)), range(crash))
    second, meter = ScriptedEngine(lambda prompt: prompt), Meter(budget)
    resumed = _search(engine(second, CallStore(tmp_path / "calls.db"), meter), range(100))

    assert 0 < expected < 100
    assert expected == resumed
    assert min(crash, expected) == first.calls
    assert meter.spent.calls == first.calls + second.calls


def test_a_budget_is_charged_once_for_a_question(tmp_path: Path) -> None:
    """Its second asking, here or in a resumed run, is free."""
    store = CallStore(tmp_path / "calls.db")
    for _process in range(2):
        meter = Meter(Budget(calls=1))
        accounted = engine(lambda prompt: prompt, store, meter)
        with scope(run="search"):
            for _ in range(3):
                accounted.complete(ask("same"))
        assert 1 == meter.spent.calls


def test_what_another_run_paid_for_is_free(tmp_path: Path) -> None:
    """A budget is for what its own run pays."""
    store, meter = CallStore(tmp_path / "calls.db"), Meter(Budget(calls=1))
    with scope(run="earlier"):
        for number in range(5):
            engine(lambda prompt: prompt, store).complete(ask(f"{number}"))
    accounted = engine(lambda prompt: prompt, store, meter)
    with scope(run="search"):
        for number in range(5):
            accounted.complete(ask(f"{number}"))

    assert Spend() == meter.spent
    assert 5 == store.frame("search")["cached"].sum()


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
