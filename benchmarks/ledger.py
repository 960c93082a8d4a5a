"""The ledger: does it hold every call and every token that was paid for, and nothing else?

    python -m benchmarks.ledger [--quick] [--json FILE]

Rules:

- Whoever is called (a scripted model; a tool, a retriever and a judge that count) keeps its own account, by run and
  candidate. It counts when it answers, and knows nothing of ledger or store. Reconciled is the share of its calls and
  tokens that the ledger holds as paid under the same run and candidate, and no more; the worse of both counts.
- The work: questions that come again (hits of the store), half of them sampled at temperature 0.7 (repeats are calls of
  their own), failures that are tried again; on 8 threads of one process, then on 4 threads each of 4 processes that
  share a store and begin with the same questions at the same time. A question that is not sampled is asked once in all.
- "evaluation" is a dspy program tried by our evaluator on 4 threads; the usage that it states is reconciled, too.
- The peer is `dspy.track_usage` around `dspy.Evaluate` of the same program, model and cases, with 1 and with 4 threads:
  the share of tokens that it reports.
"""

import argparse
import contextlib
import json
import logging
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path

import dspy
import polars as pl
from dspy.lm15 import Config, Message, Request, Response

from benchmarks import forked
from benchmarks.forked import in_threads
from benchmarks.tracked_usage import Program, say, tracked_usage
from workbench.core import Case, ExpectedAnswer, Prediction, Record, digest_json, stream
from workbench.evals import EvaluationRequest, evaluate, render_table
from workbench.lms import (
    AccountedEngine,
    CallStore,
    External,
    Price,
    ScriptedEngine,
    here,
    journaled,
    scope,
    scripted_lm,
)
from workbench.lms.accounted import Terms

SEED = 5
THREADS, PROCESSES, PROCESS_THREADS, PROGRAM_THREADS = 8, 4, 4, 4
PRICE = Price(prompt_usd=1.0, completion_usd=1.0, date="2026-01-01")
TERMS = Terms(model="scripted", identity="i", max_tokens=20, timeout_seconds=2.0, price=PRICE)
OUTSIDE = (
    External(kind="tool", name="weather", version="1"),
    External(kind="retriever", name="wiki", version="1", pure=True),
    External(kind="judge", name="polite", version="1", pure=True),
)


class Size(Record):
    """How much is asked."""

    asked: int
    """By each thread."""
    cases: int


FULL = Size(asked=400, cases=400)
QUICK = Size(asked=60, cases=60)


class Leg(Record):
    """One kind of work."""

    name: str
    calls: int
    """That were answered, by the account of whoever was called."""
    tokens: int
    ledger_calls: int
    ledger_tokens: int
    hits: int
    failed: int
    """Calls that were not answered, and tried again."""
    twice: int
    """Questions that are not sampled and were asked more than once."""
    reconciled: float
    """Percent."""

    @property
    def met(self) -> bool:
        """All of it, something at all, and nothing twice."""
        return self.calls > 0 and self.reconciled == 100.0 and not self.twice


Account = Counter[tuple[str, str, str]]
"""How much, by run, candidate and "calls" or "tokens"."""


@dataclass
class Counted:
    """A model with an account of its own; every tenth question fails at first."""

    inner: ScriptedEngine
    account: Account = field(default_factory=Counter)
    failed: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    """How often each question that is not sampled was answered."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _failing: Callable[[], bool] = field(default=lambda: False)

    def complete(self, request: Request) -> Response:
        """Answer and count, or fail."""
        self._fail()
        response = self.inner.complete(request)
        tokens = (response.usage.input_tokens or 0) + (response.usage.output_tokens or 0)
        self._count(tokens)
        if not request.config.temperature:
            with self._lock:
                self.asked[request.messages[-1].text or ""] += 1
        return response

    def serve(self, text: str) -> str:
        """The same for a call that is no model's."""
        self._fail()
        self._count(0)
        return text

    def _fail(self) -> None:
        with self._lock:
            if self._failing():
                self.failed += 1
                raise ConnectionError

    def _count(self, tokens: int) -> None:
        """One call of whoever is at work here."""
        where = here()
        with self._lock:
            self.account[where.run, where.candidate, "calls"] += 1
            self.account[where.run, where.candidate, "tokens"] += tokens

    def __deepcopy__(self, memo: dict[int, object]) -> "Counted":
        """Shared, so that its account stays true."""
        return self


def _model(name: str) -> Counted:
    random = stream(SEED, "model", name)

    def say(prompt: str) -> str:
        time.sleep(0.001)
        return f"answer {len(prompt)} to {prompt}"

    return Counted(ScriptedEngine(say), _failing=lambda: random.random() < 0.1)


def ask(text: str, *, temperature: float) -> Request:
    """One question."""
    config = Config(temperature=temperature, max_tokens=20)
    return Request(model="scripted", messages=(Message.user(text),), config=config)


def _work(model: Counted, store: CallStore, *, threads: int, asked: int) -> None:
    """Threads that ask the same questions in their own order, and try failed ones again."""
    engine = AccountedEngine(model, TERMS, pricing=lambda _request, _response: 0.001, store=store, meter=None)

    def work(number: int) -> None:
        random = stream(SEED, "work", str(number))
        with scope(run=f"run {number % 2}", candidate=f"candidate {number}"):
            for turn in range(asked):
                temperature = random.choice([0.0, 0.7])
                text = f"What is number {turn // 2 if turn % 3 else random.randint(1, asked)}?"
                _until_answered(partial(engine.complete, ask(text, temperature=temperature)))

    in_threads(work, threads)


def _until_answered(call: Callable[[], object]) -> None:
    while True:
        with contextlib.suppress(ConnectionError):
            call()
            return


def _leg(name: str, models: Sequence[Counted], rows: pl.DataFrame) -> Leg:
    """What the accounts say against what the ledger says."""
    account: Account = sum((model.account for model in models), Counter())
    asked: Counter[str] = sum((model.asked for model in models), Counter())
    ledger: Account = Counter()
    for row in rows.filter(~pl.col("cached")).iter_rows(named=True):
        ledger[row["run"], row["candidate"], "calls"] += 1
        ledger[row["run"], row["candidate"], "tokens"] += row["prompt_tokens"] + row["completion_tokens"]
    calls, ledger_calls = _sum(account, "calls"), _sum(ledger, "calls")
    tokens, ledger_tokens = _sum(account, "tokens"), _sum(ledger, "tokens")
    return Leg(
        name=name,
        calls=calls,
        tokens=tokens,
        ledger_calls=ledger_calls,
        ledger_tokens=ledger_tokens,
        hits=int(rows["cached"].sum()),
        failed=sum(model.failed for model in models),
        twice=sum(count > 1 for count in asked.values()),
        reconciled=min(_reconciled(account, ledger, unit) for unit in ("calls", "tokens")),
    )


def _sum(account: Account, unit: str) -> int:
    return sum(count for key, count in account.items() if key[2] == unit)


def _reconciled(account: Account, ledger: Account, unit: str) -> float:
    """Percent of the greater of both that is in both, name by name."""
    most = max(_sum(account, unit), _sum(ledger, unit))
    return 100.0 * _sum(account & ledger, unit) / most if most else 100.0


def threads(size: Size, folder: Path) -> Leg:
    """One process."""
    store, model = CallStore(folder / "threads.db"), _model("threads")
    _work(model, store, threads=THREADS, asked=size.asked)
    return _leg(f"{THREADS} threads", [model], store.frame())


def _child(folder: Path, name: str, asked: int) -> None:
    model = _model(name)
    _work(model, CallStore(folder / "processes.db"), threads=PROCESS_THREADS, asked=asked)
    account = [[*key, count] for key, count in model.account.items()]
    said = {"account": account, "failed": model.failed, "asked": model.asked}
    (folder / f"{name}.json").write_text(json.dumps(said))


def processes(size: Size, folder: Path) -> Leg:
    """Processes with one store; each says in the end what its model counted."""
    names = [f"process-{number}" for number in range(PROCESSES)]
    for child in [forked.start(partial(_child, folder, name, size.asked)) for name in names]:
        forked.finish(child)
    models = []
    for name in names:
        said = json.loads((folder / f"{name}.json").read_text())
        account: Account = Counter({(run, candidate, unit): n for run, candidate, unit, n in said["account"]})
        models.append(
            Counted(ScriptedEngine(str), account=account, failed=said["failed"], asked=Counter(said["asked"]))
        )
    return _leg(f"{PROCESSES} processes", models, CallStore(folder / "processes.db").frame())


def outside(size: Size, folder: Path, external: External) -> Leg:
    """A tool, retriever or judge, on threads of one process."""
    store, counted = CallStore(folder / f"{external.kind}.db"), _model(external.name)
    call = journaled(store, external)(counted.serve)

    def work(number: int) -> None:
        with scope(run=f"run {number % 2}", candidate=f"candidate {number}"):
            for turn in range(size.asked):
                _until_answered(partial(call, f"number {turn // 2}"))

    in_threads(work, THREADS)
    return _leg(external.kind, [counted], store.frame())


def evaluation(size: Size, folder: Path) -> Leg:
    """A dspy program on threads of our evaluator; the run's usage must be the model's account, too."""
    cases = tuple(
        Case(case_id=f"c{n}", request=f"Is it {n}?", expected=ExpectedAnswer(answers=("yes",)), cluster=f"c{n}")
        for n in range(size.cases)
    )
    store, model, program = CallStore(folder / "program.db"), Counted(ScriptedEngine(say)), Program()
    lm = scripted_lm(model, store=store)

    def agent(request: str) -> Prediction:
        with dspy.context(lm=lm):
            return Prediction(answer=str(program(request=request).answer))

    request = EvaluationRequest(
        agent="program",
        agent_digest=digest_json("program"),
        evalset_digest=digest_json("cases"),
        split="test",
        metrics=("answer_exact",),
        workers=PROGRAM_THREADS,
    )
    with scope(run="evaluation"):
        run = evaluate(agent, cases, request=request)
    leg = _leg(f"evaluation, {PROGRAM_THREADS} threads", [model], store.frame())
    usage = [(one.usage.calls, one.usage.tokens) for one in run.episodes]
    stated = sum(one[0] for one in usage) == leg.calls and sum(one[1] for one in usage) == leg.tokens
    return leg if stated else leg.model_copy(update={"reconciled": 0.0})


def render(legs: Sequence[Leg], peers: Sequence[tuple[int, float, str]]) -> str:
    """The table, and the peer."""
    head = ("work", "calls", "in ledger", "tokens", "in ledger", "hits", "failed", "asked twice", "reconciled")
    rows = [
        (
            one.name,
            *map(str, (one.calls, one.ledger_calls, one.tokens, one.ledger_tokens, one.hits, one.failed, one.twice)),
            f"{one.reconciled:.2f} %",
        )
        for one in legs
    ]
    said = "\n".join(
        f"peer: dspy {version('dspy')} track_usage, num_threads={count}: {percent:.2f} % of tokens, returns {what}"
        for count, percent, what in peers
    )
    return f"scripted models\n{render_table(head, rows)}\ntargets: reconciled 100.00 %, asked twice 0\n{said}\n"


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ledger", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a smaller sample, under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    size = QUICK if options.quick else FULL
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Processes first: a process whose thread pools have begun to work should not be forked.
        legs = [
            processes(size, folder),
            threads(size, folder),
            *(outside(size, folder, one) for one in OUTSIDE),
            evaluation(size, folder),
        ]
    peers = [(count, *tracked_usage(size.cases, count)) for count in (1, PROGRAM_THREADS)]
    met = all(leg.met for leg in legs)
    print(render(legs, peers))
    print(f"target {'met' if met else 'MISSED'}: every call and token reconciled")
    if options.json is not None:
        figures = {"legs": [leg.model_dump(mode="json") for leg in legs], "peer_percent": peers, "met": met}
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
