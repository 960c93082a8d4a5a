"""The trials of a workspace's searches, while they run and ever after: what `optimize show` shows."""

import json
from dataclasses import dataclass, field
from io import BufferedWriter
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from workbench.core import Budget, DataError, Meter, Record, Spend, nearest, read_record, write_record
from workbench.evals import render_table
from workbench.lab.workspace import Progress
from workbench.optimize import (
    ERRORS,
    Course,
    Forecast,
    Optimized,
    Span,
    Standing,
    Trial,
    ranked,
    render_standing,
    update,
)

BEGUN, TRIALS, RACE, OPTIMIZED = "search.json", "trials.jsonl", "race.json", "optimized.json"


class Begun(Record):
    """Written first into a search's folder: what is searched, and what may be spent."""

    experiment: str
    seed: int
    model: str
    using: tuple[str, ...]
    budget: Budget
    val: int
    """Validation cases."""
    account: str
    """The run under which its calls stand in the ledger; see `searching`."""


class Tried(Record):
    """A trial, and what the search was charged for when it ended."""

    trial: Trial
    spent: Spend


class Searched(NamedTuple):
    """What a workspace knows of a search."""

    folder: Path
    begun: Begun
    tried: tuple[Tried, ...]
    outcome: Optimized | None
    """None while it runs, or if it was interrupted."""
    race: Standing | None = None
    """How its last race stands, or ended; None if there was none yet."""

    @property
    def trials(self) -> tuple[Trial, ...]:
        """The trials that have ended, in order."""
        return self.outcome.trials if self.outcome is not None else tuple(one.trial for one in self.tried)

    @property
    def spent(self) -> Spend:
        """What it was charged for, as far as is known."""
        if self.outcome is not None:
            return self.outcome.spent
        return self.tried[-1].spent if self.tried else Spend()

    @property
    def best(self) -> Trial | None:
        """The best complete trial so far; None before the first."""
        return self.outcome.best if self.outcome is not None else next(iter(ranked(self.trials)), None)


@dataclass
class TrialLog:
    """Writes each trial of a running search into its folder, and says how it stands."""

    path: Path
    begun: Begun
    meter: Meter
    progress: Progress
    forecast: Forecast | None = None
    tried: list[Trial] = field(default_factory=list)
    _course: Course | None = None
    _file: BufferedWriter | None = None

    def __enter__(self) -> Self:
        self._file = self.path.open("wb")  # a search that goes on begins again with its first trial, from the store
        self.path.with_name(RACE).unlink(missing_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        self._file.close()

    def add(self, trial: Trial) -> None:
        """Keep a trial, and say what it brought."""
        assert self._file is not None
        spent = self.meter.spent
        line = json.dumps(Tried(trial=trial, spent=spent).model_dump(mode="json"), ensure_ascii=False, allow_nan=False)
        self._file.write(f"{line}\n".encode())
        self._file.flush()
        self.tried.append(trial)
        self.progress.note(render_trial(trial, self.begun.val))
        for line in self._standing(spent, trial.origin):
            self.progress.note(f"  {line}")

    def race(self, standing: Standing) -> None:
        """Keep how a race stands, and say who is alive."""
        write_record(self.path.with_name(RACE), standing)
        if standing.alive:
            self.progress.note(f"  {render_standing(standing)}")

    def _standing(self, spent: Spend, origin: str) -> tuple[str, ...]:
        """Best so far and how many are out; what is spent, what is left and what it will have taken in the end."""
        best, dropped = next(iter(ranked(self.tried)), None), sum(trial.dropped is not None for trial in self.tried)
        whole = sum(trial.complete for trial in self.tried)
        leading = "no candidate is complete" if best is None else f"best so far {_score(best)} (trial {best.number})"
        spending = "; ".join((f"spent {words(spent)}", f"left {self._left()}", *self._coming(origin, spent)))
        return f"{leading}; {whole} tried on all cases, {dropped} dropped", spending

    def _left(self) -> str:
        left = self.meter.left()
        parts = [
            *([] if left.calls is None else [f"{left.calls} calls"]),
            *([] if left.tokens is None else [f"{left.tokens:,} tokens"]),
            *([] if left.seconds is None else [f"{left.seconds:.0f} s"]),
            *([] if left.usd is None else [f"{left.usd:.4f} USD"]),
        ]
        return ", ".join(parts)

    def _coming(self, origin: str, spent: Spend) -> list[str]:
        if self.forecast is None:
            return []
        if self._course is None:
            self._course = Course(self.forecast.ways)
        self._course.move(origin, spent)
        total = update(self.forecast, self._course.spent, self._course.done).total()
        minutes = span(total.seconds, ".1f", per=60)
        parts = [f"{span(total.calls)} calls", f"{span(total.tokens)} tokens", f"{minutes} minutes"]
        if total.usd is None or total.usd.high:
            parts.append("unknown USD" if total.usd is None else f"{span(total.usd, '.4f')} USD")
        return [f"in the end {', '.join(parts)}"]


def searches(workspace: Path, experiment: str | None = None) -> tuple[Searched, ...]:
    """The searches of a workspace, or of one experiment ("tool_calling" or "tool_calling-seed7"), the latest last."""
    files = sorted((workspace / "stages").glob(f"optimize-*/{BEGUN}"), key=lambda file: file.stat().st_mtime_ns)
    found = (_read(file.parent) for file in files)
    return tuple(
        one
        for one in found
        if experiment in (None, one.begun.experiment, f"{one.begun.experiment}-seed{one.begun.seed}")
    )


def find_searches(workspace: Path, experiment: str | None, *, every: bool = False) -> tuple[Searched, ...]:
    """Each search of an experiment; without a name the last one, or every one.

    Raises: DataError with the nearest known name if there is none.
    """
    found = searches(workspace, experiment)
    if not found and experiment is not None:
        known = {one.begun.experiment for one in searches(workspace)}
        if known:
            raise DataError(f"search of {experiment!r} ({workspace}): is not there; {nearest(experiment, known)}")
    if not found:
        raise DataError(f"workspace {str(workspace)!r}: holds no search; type: workbench optimize run EXPERIMENT")
    return found if every or experiment is not None else found[-1:]


def following(searched: Searched, words: str) -> str:
    """What to type next; `words` are the experiment file and its options."""
    lines = [f"next:  uv run workbench run {words} (tries the winner on the test, and decides)"]
    if searched.outcome is not None and searched.outcome.stopped:
        lines.append(f"more:  uv run workbench optimize resume {words} --{_limit(searched)}")
    return "\n".join((*lines, f"again: uv run workbench optimize replay {words}"))


def _limit(searched: Searched) -> str:
    """The option that would raise the limit which stopped a search, to twice as much."""
    assert searched.outcome is not None
    stopped = searched.outcome.stopped
    name = next((name for name in Budget.model_fields if stopped.startswith(f"budget {name!r}")), "calls")
    return f"{name} {2 * (getattr(searched.begun.budget, name) or 0):.10g}"


def last_search(workspace: Path, *, account: str, done: bool = False) -> Searched | None:
    """The latest search of an account, or the latest that is done; None if there is none."""
    found = [one for one in searches(workspace) if one.begun.account == account and (one.outcome or not done)]
    return found[-1] if found else None


def _read(folder: Path) -> Searched:
    outcome = read_record(folder / OPTIMIZED, Optimized) if (folder / OPTIMIZED).exists() else None
    race = read_record(folder / RACE, Standing) if (folder / RACE).exists() else None
    return Searched(folder, read_record(folder / BEGUN, Begun), _read_trials(folder / TRIALS), outcome, race)


def _read_trials(path: Path) -> tuple[Tried, ...]:
    """The trials so far; a line that is just being written is none yet."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return tuple(Tried.model_validate_json(line) for line in lines)


def render_trial(trial: Trial, val: int) -> str:
    """One line for a trial."""
    what = ", ".join(f"{name} {change}" for name, change in trial.changes.items()) or "as it begins"
    cost = f"{trial.tokens:.0f} tokens a case"
    gone = "" if trial.dropped is None else f"; dropped: {trial.dropped.reason}"
    return (
        f"trial {trial.number} {trial.origin}: {_score(trial)} on {trial.cases} of {val} cases, {cost} ({what}){gone}"
    )


def render_search(searched: Searched) -> str:
    """The trials of a search as a table, and how it stands."""
    begun, best = searched.begun, searched.best
    head = f"{begun.experiment}, seed {begun.seed}, model {begun.model}: {searched.folder.name}"
    heads = ("trial", "by", "score [95 %]", "cases", "tokens", "s", "state", "changes")
    rows = [_row(trial, best) for trial in searched.trials]
    table = render_table(heads, rows).rstrip() if rows else "no trial has ended yet"
    dropped = [f"trial {one.number} was dropped: {one.dropped.reason}" for one in searched.trials if one.dropped]
    dropped += [ERRORS] if dropped else []
    if searched.outcome is None and searched.race is not None:
        dropped.append(f"race: {render_standing(searched.race)}")
    return (
        "\n".join(
            (head, table, *dropped, _state(searched), f"spent: {words(searched.spent)}; budget: {limits(begun.budget)}")
        )
        + "\n"
    )


def _row(trial: Trial, best: Trial | None) -> tuple[str, ...]:
    changes = ", ".join(f"{name} {change}" for name, change in trial.changes.items())
    state = "dropped" if trial.dropped else "complete" if trial.complete else "cut"
    state = "best" if best is not None and trial.number == best.number else state
    cost = (f"{trial.tokens:.0f}", f"{trial.model_seconds:.2f}")
    return (f"{trial.number}", trial.origin, _score(trial), f"{trial.cases}", *cost, state, changes)


def _state(searched: Searched) -> str:
    if searched.outcome is None:
        return "it runs, or was interrupted: what it paid for is kept"
    best = searched.outcome.best
    found = "nothing better than the agent it began with" if not best.changes else f"trial {best.number} is the best"
    return f"{found}; {f'stopped: {searched.outcome.stopped}' if searched.outcome.stopped else 'it ran to its end'}"


def _score(trial: Trial) -> str:
    line = next((line for line in trial.report.lines if line.kind == "score"), None)
    if trial.score is None:
        return "unscored"
    if line is None or line.low is None or line.high is None:
        return f"{trial.score:.3f}"
    return f"{trial.score:.3f} [{line.low:.2f}, {line.high:.2f}]"


def limits(budget: Budget) -> str:
    """A budget in words.

    >>> limits(Budget(calls=120, usd=0.5))
    'calls 120, usd 0.5'
    """
    return ", ".join(f"{name} {limit:,g}" for name, limit in budget.model_dump().items() if limit is not None)


def words(spent: Spend) -> str:
    """What was spent, in words; dollars where there were any, or may have been."""
    usd = ", unknown USD" if spent.usd is None else f", {spent.usd:.4f} USD" if spent.usd else ""
    return f"{spent.calls} calls, {spent.tokens:,} tokens, {spent.seconds:.0f} s of model time{usd}"


def span(one: Span, form: str = ",.0f", *, per: float = 1.0) -> str:
    """An interval, or the number if there is but one; in units of so many.

    >>> span(Span(low=1200.0, expected=1500.0, high=2100.4)), span(Span(low=24.0, expected=24.0, high=24.0))
    ('1,200 to 2,100', '24')
    """
    low, high = format(one.low / per, form), format(one.high / per, form)
    return low if low == high else f"{low} to {high}"
