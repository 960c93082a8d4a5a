"""Two versions of a suite, case by case: what changed, and what runs on one are worth on the other."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from workbench.core import Case, EvalSet, Record, read_record, short
from workbench.datasets.suite import build_suite

Consequence = Literal["try again", "grade again", "report again"]
"""What a changed case needs: that the agent tries it; that its kept episode is graded; that its slices are counted."""

_WORST_FIRST: tuple[Consequence, ...] = ("try again", "grade again", "report again")
_PLAYED = ("world", "tools", "start", "user")
"""What of an expected state the agent meets while it plays."""


class Change(Record):
    """One field of one case, before and after; None where it was not there."""

    field: str
    before: JsonValue
    after: JsonValue


class ChangedCase(Record):
    """A case that both versions have, and not as the same."""

    case_id: str
    changes: tuple[Change, ...]
    needs: Consequence


class SuiteDiff(Record):
    """What is different between two versions."""

    before: str
    after: str
    """Versions: the digests of the eval sets, which stand in the header of every run."""
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[ChangedCase, ...]
    unchanged: int

    @property
    def comparable(self) -> bool:
        """Whether a run on one may be compared with a run on the other."""
        return self.before == self.after

    def needing(self, consequence: Consequence) -> tuple[str, ...]:
        """Ids of the cases that need it; added cases must be tried, too."""
        ids = [case.case_id for case in self.changed if case.needs == consequence]
        return tuple(sorted([*ids, *(self.added if consequence == "try again" else ())]))


def read_version(path: Path) -> EvalSet:
    """A version of a suite: its folder as it is now, or the `evalset.json` that a run on it kept.

    Raises: DataError if it is neither, or is wrong.
    """
    return read_record(path, EvalSet) if path.is_file() else build_suite(path)


def diff_suites(before: EvalSet, after: EvalSet) -> SuiteDiff:
    """Compare two versions by case id, field by field."""
    old, new = ({case.case_id: case for case in version.test} for version in (before, after))
    shared = sorted(old.keys() & new.keys())
    changed = tuple(_changed(old[case_id], new[case_id]) for case_id in shared if old[case_id] != new[case_id])
    return SuiteDiff(
        before=before.digest,
        after=after.digest,
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=changed,
        unchanged=len(shared) - len(changed),
    )


def render_diff(diff: SuiteDiff) -> str:
    """The difference in words; ends with a line break."""
    lines = [f"+ {case_id}" for case_id in diff.added] + [f"- {case_id}" for case_id in diff.removed]
    for case in diff.changed:
        lines.append(f"~ {case.case_id}: {case.needs}")
        lines += [f"    {change.field}: {_short(change.before)} -> {_short(change.after)}" for change in case.changes]
    counts = f"{len(diff.added)} added, {len(diff.removed)} removed, {len(diff.changed)} changed"
    lines.append(f"{counts}, {diff.unchanged} the same")
    return "\n".join((*lines, *_advice(diff))) + "\n"


def _advice(diff: SuiteDiff) -> Iterator[str]:
    versions = f"versions {short(diff.before)} and {short(diff.after)}"
    if diff.comparable:
        yield f"version {short(diff.before)} is both: runs on one can be compared with runs on the other"
        return
    yield f"{versions} differ: a run on one can't be compared with a run on the other; bring the baseline up first:"
    for consequence in _WORST_FIRST:
        if ids := diff.needing(consequence):
            yield f"  {consequence}: {', '.join(ids)}"
    if diff.removed:
        yield f"  leave out: {', '.join(diff.removed)}"
    if not (diff.changed or diff.added or diff.removed):
        yield "  the cases are the same and the eval sets are named differently: report again"


def _changed(old: Case, new: Case) -> ChangedCase:
    before, after = old.model_dump(mode="json"), new.model_dump(mode="json")
    changes = tuple(_changes("", before, after))
    return ChangedCase(case_id=new.case_id, changes=changes, needs=_needs(old, new))


def _changes(path: str, before: JsonValue, after: JsonValue) -> Iterator[Change]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys((*before, *after)):
            inner = f"{path}.{key}" if path else key
            yield from _changes(inner, before.get(key), after.get(key))
    elif before != after or type(before) is not type(after):
        yield Change(field=path, before=before, after=after)


def _needs(old: Case, new: Case) -> Consequence:
    if old.request != new.request or _met(old) != _met(new):
        return "try again"
    return "grade again" if old.expected != new.expected else "report again"


def _met(case: Case) -> JsonValue:
    """What the agent meets besides the request; nothing where no world is played."""
    fields: dict[str, JsonValue] = case.task.model_dump(mode="json")
    return {name: fields[name] for name in _PLAYED} if case.task.kind == "state" else None


def _short(value: JsonValue, most: int = 60) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"
