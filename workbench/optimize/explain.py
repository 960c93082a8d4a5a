"""Explain a win: which cases flipped and where, which edits carry the gain, and how few of them are enough.

Every edit that separates winner from start (each knob, each demo, each instruction) is undone by itself, and what
that costs is measured case by case; where demos are chosen for each request every smaller number of them is tried. Then
the edits that alone cost next to nothing are undone together, the dearest in prompt tokens first, as long as the share
of the gain that is asked for stays. Calls that the search has made are in the
call store and cost nothing; those of new variants are paid from the task's budget. The smallest variant is chosen on
the cases it is measured on, so its gain has to be measured again on others before it is believed.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import Field, JsonValue

from workbench.agents import AgentSpec, read_program
from workbench.core import Case, Comparison, OptimizeError, Record, Run, digest_json, short
from workbench.evals import EvaluationRequest, compare, evaluate, number, render_comparison, render_table, signed
from workbench.lms import scope
from workbench.optimize.search import Task
from workbench.optimize.space import changes, knobs, vary

KEEP = 0.95
"""The share of the gain that the smallest variant keeps at least."""


class Flip(Record):
    """A case on which the winner scores otherwise than the start."""

    case_id: str
    cluster: str
    tags: tuple[str, ...]
    request: str
    before: float
    after: float


class Group(Record):
    """The cases of one cluster or with one tag."""

    name: str
    cases: int
    fixed: int
    broken: int


class Effect(Record):
    """What one edit is worth: the winner against the winner without it."""

    edit: str
    change: str
    """Old → new, or what was added."""
    loss: Comparison
    """The winner without the edit, minus the winner, paired by case; below zero where the edit helps."""
    tokens_saved: float
    """Prompt tokens of a case that undoing it saves; below zero if it costs some."""
    dropped: bool
    """True if the smallest variant does without it."""


class Explanation(Record):
    """Why the winner is better than the start."""

    gain: Comparison
    flips: tuple[Flip, ...]
    """Fixed ones first, then by id."""
    clusters: tuple[Group, ...]
    """Those with a flip, most flips first."""
    tags: tuple[Group, ...]
    effects: tuple[Effect, ...]
    """In the order of the edits."""
    smallest: AgentSpec
    """The winner without the edits that were dropped, whole."""
    smallest_gain: Comparison
    """The smallest variant against the start."""
    kept: float
    """The share of the gain that it keeps; above 1 if it is even better."""
    prompt_tokens: float = Field(ge=0)
    """The winner's, of a case."""
    smallest_prompt_tokens: float = Field(ge=0)

    @property
    def tokens_saved(self) -> float:
        """The share of the winner's prompt tokens that the smallest variant saves."""
        return 1 - self.smallest_prompt_tokens / self.prompt_tokens if self.prompt_tokens else 0.0


@dataclass(frozen=True)
class Edit:
    """One difference between start and winner, and how to undo it."""

    name: str
    change: str
    undo: Callable[[AgentSpec], AgentSpec]
    """Gives back the spec itself where there is nothing left to undo."""


@dataclass(frozen=True)
class _Measured:
    run: Run
    prompt_tokens: float


@dataclass
class _Bench:
    """Measures each variant once."""

    task: Task
    known: dict[str, _Measured] = field(default_factory=dict)

    def measure(self, spec: AgentSpec) -> _Measured:
        """The spec on every validation case.

        Raises: BudgetExceeded when a call no longer fits.
        """
        if spec.digest not in self.known:
            agent, task = self.task.build(spec), self.task
            request = EvaluationRequest(
                agent="variant",
                agent_digest=agent.digest,
                evalset_digest="",
                split="val",
                metrics=(task.metric,),
                workers=task.workers,
            )
            with scope(candidate=short(agent.digest)) as tally:
                run = evaluate(agent, task.val, request=request, on_case=task.on_case)
            # The tally and not the usage: that does not say which tokens of a stored call stood in the prompt.
            tokens = sum(call.prompt_tokens for call in tally.calls()) / len(task.val)
            self.known[spec.digest] = _Measured(run, tokens)
        return self.known[spec.digest]

    def against(self, old: AgentSpec, new: AgentSpec, names: tuple[str, str] = ("old", "new")) -> Comparison:
        """New minus old, paired by case, by cluster."""
        found = compare(self.measure(old).run, self.measure(new).run, self.task.metric, seed=self.task.seed)
        return found.model_copy(update={"champion": names[0], "challenger": names[1]})

    def saved(self, old: AgentSpec, new: AgentSpec) -> float:
        """Prompt tokens of a case that the new one does without."""
        return self.measure(old).prompt_tokens - self.measure(new).prompt_tokens


def explain_win(task: Task, start: AgentSpec, winner: AgentSpec, *, keep: float = KEEP) -> Explanation:
    """Compare winner and start on the validation cases, and find the fewest edits that keep a share of the gain.

    Raises: OptimizeError if there is no gain; BudgetExceeded when a call no longer fits.
    """
    bench = _Bench(task)
    gain = bench.against(start, winner, ("start", "winner"))
    if gain.difference is None or gain.difference <= 0:
        found = "unmeasured" if gain.difference is None else signed(gain.difference)
        raise OptimizeError(f"explain: the winner's gain on val is {found}; there is nothing to explain")
    edits = find_edits(task, start, winner)
    alone = {edit.name: edit.undo(winner) for edit in edits}
    enough = keep * gain.difference
    smallest = _shrink(bench, start, winner, edits, enough)
    smallest_gain = bench.against(start, smallest, ("start", "smallest"))
    before, after = (bench.measure(spec).run for spec in (start, winner))
    flips = _flips(task, before, after)
    return Explanation(
        gain=gain,
        flips=flips,
        clusters=_groups(task, flips, lambda case: (case.cluster,)),
        tags=_groups(task, flips, lambda case: case.tags),
        effects=tuple(
            Effect(
                edit=edit.name,
                change=edit.change,
                loss=bench.against(winner, alone[edit.name], ("winner", f"without {edit.name}")),
                tokens_saved=bench.saved(winner, alone[edit.name]),
                dropped=edit.undo(smallest) == smallest,
            )
            for edit in edits
        ),
        smallest=smallest,
        smallest_gain=smallest_gain,
        kept=(smallest_gain.difference or 0.0) / gain.difference,
        prompt_tokens=bench.measure(winner).prompt_tokens,
        smallest_prompt_tokens=bench.measure(smallest).prompt_tokens,
    )


def find_edits(task: Task, start: AgentSpec, winner: AgentSpec) -> tuple[Edit, ...]:
    """What separates winner from start: knobs in the order of the spec, then instructions, then demos."""
    words = changes(start, winner)
    before = knobs(start)
    singles = [Edit(name, words[name], _reset(name, before[name])) for name in before if name in words]
    return (*singles, *_instructions(task, start, winner), *_demos(task, start, winner))


def render_explanation(found: Explanation) -> str:
    """The explanation as text; ends with a line break."""
    flips = [
        ("fixed" if flip.after > flip.before else "broken", flip.case_id, flip.cluster, flip.request)
        for flip in found.flips
    ]
    groups = [
        (kind, group.name, str(group.cases), str(group.fixed), str(group.broken))
        for kind, several in (("cluster", found.clusters), ("tag", found.tags))
        for group in several
    ]
    effects = [
        (
            "dropped" if effect.dropped else "kept",
            effect.edit,
            _bounded(effect.loss),
            f"{effect.tokens_saved:+.0f}",
            effect.change,
        )
        for effect in found.effects
    ]
    parts = [
        render_comparison(found.gain).rstrip(),
        render_table(("flip", "case", "cluster", "request"), flips),
        render_table(("of", "name", "cases", "fixed", "broken"), groups),
        render_table(("edit is", "edit", "without it [95 %]", "prompt tokens saved", "change"), effects),
        f"the smallest variant keeps {100 * found.kept:.0f} % of the gain: {_bounded(found.smallest_gain)}\n"
        f"with {100 * found.tokens_saved:.0f} % fewer prompt tokens: {number(found.prompt_tokens)} → "
        f"{number(found.smallest_prompt_tokens)} a case; chosen on val, so measure it again on test",
    ]
    return "\n\n".join(parts) + "\n"


def _shrink(bench: _Bench, start: AgentSpec, winner: AgentSpec, edits: tuple[Edit, ...], enough: float) -> AgentSpec:
    """The winner without every edit it can do without; tokens are never added."""

    def fits(spec: AgentSpec, than: AgentSpec) -> bool:
        difference = bench.against(start, spec).difference
        return difference is not None and difference >= enough and bench.saved(than, spec) >= 0

    free = [edit for edit in edits if fits(edit.undo(winner), winner)]
    spec = winner
    for edit in sorted(free, key=lambda edit: -bench.saved(winner, edit.undo(winner))):
        smaller = edit.undo(spec)
        if fits(smaller, spec):
            spec = smaller
    return spec


def _reset(name: str, value: JsonValue) -> Callable[[AgentSpec], AgentSpec]:
    return lambda spec: vary(spec, {name: value})


def _instructions(task: Task, start: AgentSpec, winner: AgentSpec) -> Iterator[Edit]:
    before, after = (read_program(task.build(spec).module).predictors for spec in (start, winner))
    for name, state in after.items():
        signature = before.get(name, {}).get("signature")
        if signature is not None and state.get("signature") != signature:
            text = state["signature"]
            words = str(text.get("instructions", "")) if isinstance(text, dict) else ""
            yield Edit(f"{name} instructions", words, _rewrite(name, "signature", signature))


def _demos(task: Task, start: AgentSpec, winner: AgentSpec) -> Iterator[Edit]:
    """Each demo that every prompt shows; where they are chosen for each request, those beyond each smaller number."""
    if winner.demo_choice == "nearest":
        for count in range(winner.demos - 1, start.demos, -1):
            yield Edit(f"nearest demos beyond {count}", f"{count} → {winner.demos} for each request", _at_most(count))
        return
    name = task.build(winner).module.taught
    held = _held(winner, name)[: winner.demos]
    old = {digest_json(demo) for demo in _held(start, name)[: start.demos]}
    for place, demo in enumerate(held, start=1):
        if (digest := digest_json(demo)) not in old:
            request = str(demo.get("request", "")) if isinstance(demo, dict) else ""
            yield Edit(f"demo {place}", request, _without(name, digest))


def _at_most(count: int) -> Callable[[AgentSpec], AgentSpec]:
    return lambda spec: vary(spec, {"demos": count}) if spec.demos > count else spec


def _without(name: str, digest: str) -> Callable[[AgentSpec], AgentSpec]:
    def undo(spec: AgentSpec) -> AgentSpec:
        held = _held(spec, name)
        left = [demo for demo in held if digest_json(demo) != digest]
        if len(left) == len(held) or spec.demos == 0:
            return spec
        return vary(_rewrite(name, "demos", left)(spec), {"demos": min(spec.demos, len(held)) - 1})

    return undo


def _rewrite(name: str, part: str, value: JsonValue) -> Callable[[AgentSpec], AgentSpec]:
    def undo(spec: AgentSpec) -> AgentSpec:
        states: Mapping[str, dict[str, JsonValue]] = spec.program.predictors
        if name not in states:
            return spec
        program = spec.program.model_copy(update={"predictors": {**states, name: {**states[name], part: value}}})
        return spec.model_copy(update={"program": program})

    return undo


def _held(spec: AgentSpec, name: str) -> list[JsonValue]:
    demos = spec.program.predictors.get(name, {}).get("demos")
    return demos if isinstance(demos, list) else []


def _flips(task: Task, before: Run, after: Run) -> tuple[Flip, ...]:
    cases = {case.case_id: case for case in task.val}
    old, new = before.values(task.metric), after.values(task.metric)
    found = [
        Flip(
            case_id=key[0],
            cluster=cases[key[0]].cluster,
            tags=cases[key[0]].tags,
            request=cases[key[0]].request,
            before=value,
            after=later,
        )
        for key, value in old.items()
        if value is not None and (later := new.get(key)) is not None and later != value
    ]
    return tuple(sorted(found, key=lambda flip: (flip.after < flip.before, flip.case_id)))


def _groups(task: Task, flips: tuple[Flip, ...], names: Callable[[Case], tuple[str, ...]]) -> tuple[Group, ...]:
    total = Counter(name for case in task.val for name in names(case))
    cases = {case.case_id: case for case in task.val}
    better, worse = (
        Counter(name for flip in flips if (flip.after > flip.before) is up for name in names(cases[flip.case_id]))
        for up in (True, False)
    )
    order = sorted({*better, *worse}, key=lambda name: (-better[name] - worse[name], name))
    return tuple(Group(name=name, cases=total[name], fixed=better[name], broken=worse[name]) for name in order)


def _bounded(comparison: Comparison) -> str:
    if comparison.difference is None:
        return "unmeasured"
    if comparison.low is None or comparison.high is None:
        return signed(comparison.difference)
    return f"{signed(comparison.difference)} [{signed(comparison.low)}, {signed(comparison.high)}]"
