"""Kill -9 an evaluation again and again: is anything lost, done twice, or paid for twice?

A part of `benchmarks.run_scale`, which calls `kills`. A supervising process imports the workbench once and forks a
child for each start, since fifty imports of a language-model library would measure imports; all that belongs to an
evaluation (journal, call store, threads) is opened in the child. Each call of an agent is appended to a file before it
is answered, so what was begun is known from outside. Two evaluations are killed:

- "scripted": an agent without a model, timed by a scripted clock. All that it writes in the end, run and report, is
  compared byte by byte with what an undisturbed evaluation writes.
- "paid": an agent that asks a scripted model through the call store. Its report says of each call whether it was paid
  or replayed, so only its scores are compared; the ledger must hold each question as paid once.

What no journal can promise: a call that was under way when the process was killed is made again. At each kill there are
at most as many as threads; they are counted, and so are questions that the model was asked but the store did not keep.
"""

import gc
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

import orjson
import polars as pl

from benchmarks import forked
from workbench.core import (
    AgentError,
    Case,
    ExpectedAnswer,
    Prediction,
    Record,
    digest_json,
    read_record,
    stream,
    write_record,
    write_run,
)
from workbench.evals import Agent, EvaluationRequest, evaluate, render_table, summarize
from workbench.evals.clock import timed_by
from workbench.lms import CallStore, scope, scripted_lm

THREADS = 2
SEED = 9
LONGEST_DELAY_SECONDS = 0.003
"""Between the call at which a kill is due and the kill: several episodes long, so that it falls anywhere in one."""
LOOK_SECONDS = 0.0005
LINE_BYTES = len("c000000\n")
_RUN = ("run/header.json", "run/cases.json", "run/episodes.jsonl", "run/scores.jsonl")


class Leg(Record):
    """One evaluation that was killed many times."""

    name: str
    cases: int
    kills: int
    """Starts that ended by SIGKILL."""
    lost: int
    """Episodes that were in the journal and no longer are, or are missing in the end."""
    done_twice: int
    """Calls of cases that were in the journal already, and episodes that are in it twice."""
    tried_again: int
    """Calls that were under way at a kill and were made again."""
    most_under_way: int
    """At one kill."""
    torn: int
    """Kills that left half a line."""
    same_bytes: bool
    """What was written in the end is what an undisturbed evaluation writes."""
    seconds: float
    """Wall time with all starts, and the undisturbed evaluation."""

    @property
    def met(self) -> bool:
        """Nothing lost, nothing done twice, the same bytes."""
        return not self.lost and not self.done_twice and self.same_bytes and self.most_under_way <= THREADS


class KillReport(Record):
    """What the kills did."""

    wanted: int
    """Kills asked for, in each evaluation."""
    scripted: Leg
    paid: Leg
    paid_twice: int
    """Questions that the ledger holds as paid more than once."""
    asked_again: int
    """Questions the model was asked again, because a kill fell between its answer and the store."""

    @property
    def met(self) -> bool:
        """Every kill took place, and neither evaluation nor ledger shows a trace of it."""
        took_place = all(leg.kills == self.wanted for leg in (self.scripted, self.paid))
        return took_place and self.scripted.met and self.paid.met and not self.paid_twice

    @property
    def seconds(self) -> float:
        """Wall time of both, without the imports."""
        return self.scripted.seconds + self.paid.seconds


def kills(folder: Path, *, kills: int, cases: int) -> KillReport:
    """Evaluate `cases` cases twice, each time killed `kills` times at random points; `folder` must be empty.

    Raises: subprocess.CalledProcessError if an evaluation breaks by itself.
    """
    command = [sys.executable, "-m", "benchmarks.kill_nine", str(folder), str(kills), str(cases)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=Path(__file__).parents[1], env=environment, check=True)
    return read_record(folder / "kills.json", KillReport)


def render(report: KillReport) -> str:
    """The table, and what it means."""
    head = (
        "evaluation",
        "kills",
        "cases",
        "lost",
        "twice",
        "tried again",
        "at one kill",
        "torn lines",
        "same bytes",
        "s",
    )
    rows = [
        (
            leg.name,
            *map(str, (leg.kills, leg.cases, leg.lost, leg.done_twice, leg.tried_again, leg.most_under_way, leg.torn)),
            "yes" if leg.same_bytes else "NO",
            f"{leg.seconds:.1f}",
        )
        for leg in (report.scripted, report.paid)
    ]
    return (
        f"{render_table(head, rows)}\npaid: {report.paid_twice} questions paid twice by the ledger; "
        f"{report.asked_again} asked again, because the kill fell between the answer and the store\n"
    )


def supervise(folder: Path, wanted: int, count: int) -> KillReport:
    """Both evaluations, in children of this process."""
    cases = _cases(count)
    gc.freeze()  # else a collection in a child would write to, and so copy, every page of this process
    scripted = _leg("scripted", _scripted, folder / "scripted", cases, wanted)
    paid = _leg("paid", _paid, folder / "paid", cases, wanted)
    asked = Counter((folder / "paid" / "killed" / "asked").read_text().split())
    store = CallStore(folder / "paid" / "killed" / "calls.db")
    payments = store.frame().filter(~pl.col("cached")).group_by("key").len()
    store.close()
    return KillReport(
        wanted=wanted,
        scripted=scripted,
        paid=paid,
        paid_twice=payments.filter(pl.col("len") > 1).height,
        asked_again=asked.total() - len(asked),
    )


class _Clock:
    """Time that passes on a thread only when it is told to. Steps of 1/1024 s add up without rounding."""

    def __init__(self) -> None:
        self._local = threading.local()

    def __call__(self) -> float:
        now: float = getattr(self._local, "now", 0.0)
        return now

    def wait(self, steps: int) -> None:
        self._local.now = self() + steps / 1024


def _scripted(folder: Path, clock: _Clock) -> Agent:
    """An agent without a model; now and then it is wrong, or fails by its own fault."""
    began = forked.appender(folder / "calls")

    def answer(request: str) -> Prediction:
        began(request)
        number = int(request[1:])
        clock.wait(1 + number * 37 % 512)
        if number % 97 == 0:
            raise AgentError(f"request {request!r}: is beyond this agent")
        return Prediction(answer="yes" if number % 3 else "no")

    return answer


def _paid(folder: Path, _clock: _Clock) -> Agent:
    """An agent that asks a model, whose every answer is kept."""
    began, asked = forked.appender(folder / "calls"), forked.appender(folder / "asked")

    def say(prompt: str) -> str:
        asked(prompt)
        return "yes" if int(prompt[1:]) % 3 else "no"

    lm = scripted_lm(say, store=CallStore(folder / "calls.db"))

    def answer(request: str) -> Prediction:
        began(request)
        return Prediction(answer=str(lm(request)[0]))

    return answer


_MakeAgent = Callable[[Path, _Clock], Agent]


def _leg(name: str, make: _MakeAgent, folder: Path, cases: Sequence[Case], wanted: int) -> Leg:
    """One evaluation undisturbed, then one that is killed at `wanted` points spread over its calls."""
    began = time.perf_counter()
    quiet, killed = folder / "quiet", folder / "killed"
    for place in (quiet, killed):
        place.mkdir(parents=True)
    forked.finish(_start(make, quiet, cases))
    rng = stream(SEED, name)
    watch = _Watch(killed)
    for point in sorted(rng.sample(range(1, len(cases) * 49 // 50), wanted)):
        watch.kill(_start(make, killed, cases), point, rng)
    forked.finish(_start(make, killed, cases))
    watch.look()
    compared = (*_RUN, "report.json") if make is _scripted else ("run/scores.jsonl",)
    return Leg(
        name=name,
        cases=len(cases),
        kills=watch.kills,
        lost=watch.lost + len({case.case_id for case in cases} - watch.journalled.keys()),
        done_twice=watch.done_twice + watch.journalled.total() - len(watch.journalled),
        tried_again=len(watch.calls) - len(set(watch.calls)),
        most_under_way=watch.most_under_way,
        torn=watch.torn,
        same_bytes=all((quiet / path).read_bytes() == (killed / path).read_bytes() for path in compared),
        seconds=time.perf_counter() - began,
    )


@dataclass
class _Watch:
    """Looks at an evaluation from outside, and kills it."""

    folder: Path
    kills: int = 0
    lost: int = 0
    done_twice: int = 0
    most_under_way: int = 0
    torn: int = 0
    calls: list[str] = field(default_factory=list)
    journalled: Counter[str] = field(default_factory=Counter)
    """How often each case is in the journal."""

    def kill(self, child: int, point: int, rng: Random) -> None:
        """Wait until so many calls were begun in all, and a little longer; then kill."""
        calls = self.folder / "calls"
        while not calls.exists() or calls.stat().st_size < point * LINE_BYTES:
            if forked.ended(child):
                break  # it broke: that it was not killed says so
            time.sleep(LOOK_SECONDS)
        time.sleep(rng.uniform(0, LONGEST_DELAY_SECONDS))
        if not forked.kill(child):
            return
        self.kills += 1
        self.look()
        self.most_under_way = max(self.most_under_way, len(set(self.calls) - self.journalled.keys()))

    def look(self) -> None:
        """Read what there is now, and set it against what there was."""
        calls = (self.folder / "calls").read_text().split()
        journal = self.folder / "journal" / "episodes.jsonl"
        *lines, rest = journal.read_bytes().split(b"\n") if journal.exists() else [b""]
        journalled = Counter(str(orjson.loads(line)["episode"]["case_id"]) for line in lines[1:])
        self.torn += bool(rest)
        self.lost += len(self.journalled.keys() - journalled.keys())
        self.done_twice += sum(case_id in self.journalled for case_id in calls[len(self.calls) :])
        self.calls, self.journalled = calls, journalled


def _start(make: _MakeAgent, folder: Path, cases: Sequence[Case]) -> int:
    """A child that evaluates, writes run and report, and ends; its process id."""
    return forked.start(partial(_evaluate, make, folder, cases))


def _evaluate(make: _MakeAgent, folder: Path, cases: Sequence[Case]) -> None:
    clock = _Clock()
    request = EvaluationRequest(
        agent="scripted",
        agent_digest=digest_json("scripted"),
        evalset_digest=digest_json([case.digest for case in cases]),
        split="test",
        metrics=("answer_exact", "answer_f1"),
        workers=THREADS,
        source="scripted",
    )
    with timed_by(clock), scope(run="killed"):
        run = evaluate(make(folder, clock), cases, request=request, journal=folder / "journal")
    write_run(folder / "run", run)
    write_record(folder / "report.json", summarize(run))


def _cases(count: int) -> tuple[Case, ...]:
    expected = ExpectedAnswer(answers=("yes",))
    return tuple(
        Case(case_id=f"c{n:06}", request=f"c{n:06}", expected=expected, cluster=f"cluster-{n % (count // 4 + 1)}")
        for n in range(count)
    )


def _main(arguments: Sequence[str]) -> int:
    folder, wanted, count = arguments
    write_record(Path(folder) / "kills.json", supervise(Path(folder), int(wanted), int(count)))
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
