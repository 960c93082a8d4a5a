"""From cases to an eval set: no leak between splits, no contradiction, the shares that were asked for."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from math import floor

from pydantic import Field

from workbench.core import SPLITS, Case, DataError, EvalSet, ExpectedAbstention, ExpectedCall, Record, Split, stream
from workbench.datasets.duplicates import Partition, near_duplicates, normalize

_FILLED: tuple[Split, ...] = ("test", "val", "train")
"""The order in which splits are filled: a larger train split then leaves test and val as they are."""


class Sizes(Record):
    """How many cases each split gets."""

    train: int = Field(ge=0)
    val: int = Field(ge=0)
    test: int = Field(ge=0)

    def of(self, split: Split) -> int:
        """The size of one split."""
        return {"train": self.train, "val": self.val, "test": self.test}[split]


class Contradiction(Record):
    """Near-duplicate cases that can't all be right; none of them is used."""

    case_ids: tuple[str, ...]
    reason: str


class SplitCounts(Record):
    """What one split holds."""

    cases: int
    abstentions: int
    clusters: int
    tags: dict[str, int]


class EvalSetReport(Record):
    """What became of the cases that were given."""

    given: int
    groups: int
    """Groups of near-duplicates; a case without one is a group of its own."""
    largest_group: int
    contradictions: tuple[Contradiction, ...]
    unused: int
    """Cases that no split needed, without the contradictory ones."""
    splits: dict[Split, SplitCounts]


def build_evalset(
    name: str,
    cases: Sequence[Case],
    *,
    sizes: Sizes,
    abstention_share: float,
    seed: int,
    sources: tuple[str, ...] = (),
) -> tuple[EvalSet, EvalSetReport]:
    """Draw three disjoint splits of exactly these sizes; the same input gives the same bytes.

    Near-duplicate requests stay in one split; what a split does not need of a group stays unused. Groups
    that contradict themselves are dropped. In each split `abstention_share` of the cases (rounded) expect
    an abstention, and each first tag has its share of the pool; the same holds for every prefix of a split.
    A test request may need a tool that a training request needs too: the case's cluster says so. Clusters
    are the connected parts under "same tool name" and "near-duplicate", named by their first case's tool.

    Raises: DataError if ids repeat, the share is not in [0, 1], or the pool is too small, with the counts.
    """
    _check(name, cases, abstention_share)
    ordered = sorted(cases, key=lambda case: case.case_id)
    groups: defaultdict[int, list[Case]] = defaultdict(list)
    for root, case in zip(near_duplicates([case.request for case in ordered]), ordered, strict=True):
        groups[root].append(case)
    reasons = {root: _contradiction(group) for root, group in groups.items()}
    sound = _clustered([group for root, group in groups.items() if not reasons[root]])
    splits = _draw(name, sound, sizes, abstention_share, seed)
    evalset = EvalSet(name=name, sources=sources, **splits)
    return evalset, EvalSetReport(
        given=len(cases),
        groups=len(groups),
        largest_group=max(map(len, groups.values()), default=0),
        contradictions=tuple(
            Contradiction(case_ids=tuple(case.case_id for case in groups[root]), reason=reason)
            for root, reason in reasons.items()
            if reason
        ),
        unused=sum(map(len, sound)) - sum(map(sizes.of, SPLITS)),
        splits={split: _counts(evalset.split(split)) for split in SPLITS},
    )


def _check(name: str, cases: Sequence[Case], abstention_share: float) -> None:
    if not 0 <= abstention_share <= 1:
        raise DataError(f"eval set {name!r}: abstention share {abstention_share} is not in [0, 1]; choose one that is")
    twice = sorted(case_id for case_id, count in Counter(case.case_id for case in cases).items() if count > 1)
    if twice:
        raise DataError(f"case {twice[0]!r}: is given to eval set {name!r} more than once; ids must be unique")


def _clustered(groups: Sequence[Sequence[Case]]) -> list[list[Case]]:
    """The groups, with the cluster of each case set."""
    parts = Partition(len(groups))
    first: dict[str, int] = {}
    for index, group in enumerate(groups):
        for case in group:
            if isinstance(case.expected, ExpectedCall):
                parts.join(index, first.setdefault(case.expected.tool.name, index))
    labels = [_label(groups[parts.root(index)][0]) for index in range(len(groups))]
    return [[_placed(case, label) for case in group] for label, group in zip(labels, groups, strict=True)]


def _placed(case: Case, cluster: str) -> Case:
    # Not model_copy: the copy would keep the digest of the original if that was ever asked for.
    return Case(case_id=case.case_id, request=case.request, expected=case.expected, cluster=cluster, tags=case.tags)


def _label(head: Case) -> str:
    return f"tool:{head.expected.tool.name}" if isinstance(head.expected, ExpectedCall) else f"request:{head.case_id}"


def _contradiction(group: Sequence[Case]) -> str:
    """Why the members of a group can't all be right; empty if they can."""
    abstentions = sum(isinstance(case.expected, ExpectedAbstention) for case in group)
    if 0 < abstentions < len(group):
        return f"{abstentions} of {len(group)} near-duplicates expect an abstention"
    tools: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for case in group:
        if isinstance(case.expected, ExpectedCall):
            tools[normalize(case.request)].add(case.expected.tool.name)
    several = next((sorted(names) for names in tools.values() if len(names) > 1), None)
    return f"the same request expects {' and '.join(map(repr, several))}" if several else ""


def _draw(
    name: str, groups: Iterable[Sequence[Case]], sizes: Sizes, share: float, seed: int
) -> dict[Split, tuple[Case, ...]]:
    kinds: dict[str, list[Sequence[Case]]] = {"abstention": [], "call": []}
    for group in groups:
        kinds["abstention" if isinstance(group[0].expected, ExpectedAbstention) else "call"].append(group)
    lines = {kind: deque(_interleave(kinds[kind], seed)) for kind in kinds}
    splits: dict[Split, tuple[Case, ...]] = {}
    for split in _FILLED:
        abstentions = floor(share * sizes.of(split) + 0.5)
        wanted = {"abstention": abstentions, "call": sizes.of(split) - abstentions}
        drawn: dict[str, list[Case]] = {}
        for kind, line in lines.items():
            left = sum(map(len, line))
            if left < wanted[kind]:
                raise DataError(
                    f"eval set {name!r}: split {split!r} needs {wanted[kind]} {kind} cases and {left} of "
                    f"{sum(map(len, kinds[kind]))} are left; ask for smaller splits or add data sets"
                )
            drawn[kind] = _take(line, wanted[kind])
        splits[split] = tuple(_merge(drawn.values()))
    return splits


def _interleave(groups: Iterable[Sequence[Case]], seed: int) -> list[Sequence[Case]]:
    """The groups in an order of which every stretch holds each first tag in its share of the whole.

    Systematic sampling with implicit strata. Source: Cochran 1977, Sampling Techniques, ch. 8.
    """
    strata: defaultdict[str, list[Sequence[Case]]] = defaultdict(list)
    for group in groups:
        strata[group[0].tags[0] if group[0].tags else ""].append(group)
    placed: list[tuple[float, str, Sequence[Case]]] = []
    for tag, members in sorted(strata.items()):
        members.sort(key=lambda group: group[0].case_id)
        stream(seed, "evalset", tag).shuffle(members)
        total, before = sum(map(len, members)), 0
        for group in members:
            placed.append(((before + len(group) / 2) / total, group[0].case_id, group))
            before += len(group)
    return [group for _, _, group in sorted(placed, key=lambda item: item[:2])]


def _take(line: deque[Sequence[Case]], count: int) -> list[Case]:
    """The next `count` cases; the rest of the last group is given up, or it would leak into another split."""
    taken: list[Case] = []
    while len(taken) < count:
        taken.extend(line.popleft())
    return taken[:count]


def _merge(parts: Iterable[Sequence[Case]]) -> list[Case]:
    """The cases of all parts, each part spread evenly over the whole."""
    placed = [((index + 0.5) / len(part), case.case_id, case) for part in parts for index, case in enumerate(part)]
    return [case for _, _, case in sorted(placed, key=lambda item: item[:2])]


def _counts(cases: Sequence[Case]) -> SplitCounts:
    return SplitCounts(
        cases=len(cases),
        abstentions=sum(isinstance(case.expected, ExpectedAbstention) for case in cases),
        clusters=len({case.cluster for case in cases}),
        tags=dict(sorted(Counter(tag for case in cases for tag in case.tags).items())),
    )
