"""A search made again from the call store alone: does what is recorded lead to the winner that was recorded?"""

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dspy

from workbench.core import CassetteMiss, ConfigError, DataError, Meter, Record, short
from workbench.lab import stages
from workbench.lab.bench import Bench
from workbench.lab.searching import Laboratory, account, earlier, with_earlier
from workbench.lab.trials import last_search
from workbench.lms import CallStore, LMSpec, SharedMeter, here, scripted_lm
from workbench.optimize import Optimized, Trial


class Replayed(Record):
    """A search that was made again from the call store alone."""

    search: str
    """The folder of the search that was recorded."""
    recorded: str
    """Digest of the agent that won then."""
    replayed: str
    """Digest of the agent that won now."""
    trials: int
    differences: tuple[str, ...]
    """What is not as recorded; empty if the same trials led to the same winner."""

    @property
    def same(self) -> bool:
        """True if nothing differs."""
        return not self.differences


def replay_search(bench: Bench) -> Replayed:
    """Make the experiment's last search again without any model, on a copy of the call store.

    Raises: ConfigError if no search of it is done; CassetteMiss for a question that was never answered, with its case.
    """
    indexes, evalset = stages.index(bench), stages.evalset(bench)
    last = last_search(bench.workspace.folder, account=account(bench, indexes, evalset), done=True)
    if last is None or last.outcome is None:
        raise ConfigError(f"experiment {bench.experiment.name!r}: has no search that is done; run or resume it first")
    bench.workspace.progress.stage("replay", skipped=False)
    unknown = _Unknown()
    with _copied(bench.workspace.calls) as store:
        meter = SharedMeter(last.begun.budget, store=store, name=last.begun.account)
        models = _Kept(store, meter, unknown)
        found = Laboratory(bench, indexes, bench.evalset(evalset), meter, models, unknown.check, unknown.check)
        outcome = with_earlier(found.search(last.begun.account), earlier(bench, last.begun))
        unknown.check()
    return Replayed(
        search=last.folder.name,
        recorded=last.outcome.best.agent_digest,
        replayed=outcome.best.agent_digest,
        trials=len(outcome.trials),
        differences=tuple(_differences(last.outcome, outcome)),
    )


def render_replayed(replayed: Replayed) -> str:
    """How a replay ended."""
    if replayed.same:
        return (
            f"{replayed.search}: the same {replayed.trials} trials, the same winner {short(replayed.recorded)}, "
            "no model asked\n"
        )
    return "\n".join((f"{replayed.search}: is not as recorded", *(f"  {one}" for one in replayed.differences))) + "\n"


@dataclass
class _Unknown:
    """Stands in for every model: whatever is asked was never answered."""

    problem: str = ""

    def answer(self, _prompt: str) -> str:
        """Refuses; evaluations count that as a failed episode and go on, so the first refusal is kept."""
        where = here()
        self.problem = self.problem or (
            f"case {where.case_id or 'none'!r}, candidate {where.candidate!r}, module {where.module or 'none'!r}: asks "
            "what was never answered; the code or the data has changed since, or calls.db is not the one it ran on"
        )
        raise CassetteMiss(self.problem)

    def check(self, _trial: Trial | None = None) -> None:
        """Raises: CassetteMiss if anything was refused."""
        if self.problem:
            raise CassetteMiss(self.problem)


@dataclass
class _Kept:
    """Models that know what the store holds."""

    store: CallStore
    meter: Meter
    unknown: _Unknown
    connected: dict[LMSpec, dspy.LM] = field(default_factory=dict)

    def __call__(self, spec: LMSpec) -> dspy.LM:
        """One for each spec, so that each knows which questions the budget was charged for."""
        if spec not in self.connected:
            self.connected[spec] = scripted_lm(self.unknown.answer, spec=spec, store=self.store, meter=self.meter)
        return self.connected[spec]


@contextmanager
def _copied(path: Path) -> Iterator[CallStore]:
    """A copy of a call store: what a replay asks is no part of the ledger."""
    if not path.exists():
        raise DataError(f"call store {str(path)!r}: is missing; the answers of a search are kept there")
    with tempfile.TemporaryDirectory(prefix="replay-") as folder:
        copy = Path(folder) / path.name
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        store = CallStore(copy)
        try:
            yield store
        finally:
            store.close()


def _differences(recorded: Optimized, replayed: Optimized) -> Iterator[str]:
    """What differs, the winner first."""
    if recorded.best.agent_digest != replayed.best.agent_digest:
        yield f"winner: {_named(recorded.best)} was recorded, now it is {_named(replayed.best)}"
    if len(recorded.trials) != len(replayed.trials):
        yield f"trials: {len(recorded.trials)} were recorded, now there are {len(replayed.trials)}"
    for before, now in zip(recorded.trials, replayed.trials, strict=False):
        if (changed := _changed(_facts(before), _facts(now))) is not None:
            yield f"trial {before.number}: {changed}"
            break  # what follows, follows from it
    if recorded.stopped or replayed.stopped:
        # How many calls were under way when the budget refused one is a matter of threads; no trial hangs on it.
        end, reached = (one.stopped.partition(":")[0] or "it ran through" for one in (recorded, replayed))
        if end != reached:
            yield f"end: {end} was recorded, now: {reached}"
    elif (changed := _changed(recorded.spent.model_dump(), replayed.spent.model_dump())) is not None:
        yield f"spent: {changed}"


def _facts(trial: Trial) -> Mapping[str, object]:
    kept = ("origin", "agent_digest", "cases", "score", "tokens", "model_seconds", "complete")
    return {name: getattr(trial, name) for name in kept}


def _changed(before: Mapping[str, object], now: Mapping[str, object]) -> str | None:
    """The first value that differs in more than the last digits of a sum."""
    for name, old in before.items():
        new = now[name]
        close = isinstance(old, float) and isinstance(new, float) and abs(old - new) <= 1e-9 * max(1.0, abs(old))
        if old != new and not close:
            return f"{name} {old} was recorded, now it is {new}"
    return None


def _named(trial: Trial) -> str:
    return f"{short(trial.agent_digest)} (trial {trial.number}, {trial.origin})"
