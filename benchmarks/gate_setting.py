"""A gate to weaken: rules, suite, two scripted agents, their runs, and what the guard says of it all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from workbench.core import Case, ExpectedAnswer, Prediction, Report, Run, Verdict, Waiver, digest_json, stream
from workbench.evals import EvaluationRequest, evaluate, summarize
from workbench.gates import Alarm, Pact, Presented, Rule, Terms, check, contradictions, describe, make_pact, weakened

METRICS = ("task_success", "answer_f1")
TODAY = date(2026, 11, 22)
RULES = (
    Rule(metric="task_success", better_than="champion"),
    Rule(metric="task_success", at_least=0.6),
    Rule(metric="answer_f1", no_worse_than="champion", margin=0.05),
    Rule(metric="task_success", coverage=0.98),
    Rule(metric="tokens", at_most=500),
    Rule(metric="lm_calls", no_worse_than="champion", margin=0.5),
)
WAIVER = Waiver(rule=describe(RULES[5]), owner="lead", reason="one more call is fine", expires=date(2026, 12, 31))


@dataclass(frozen=True)
class Setting:
    """Everything a release rests on."""

    rules: tuple[Rule, ...]
    terms: Terms
    cases: tuple[Case, ...]
    champion: Run
    challenger: Run
    verdict: Verdict
    report: Report
    seed: int = 1
    evalset: str = ""


def make_cases(count: int) -> tuple[Case, ...]:
    """Generated requests, two in each cluster."""
    return tuple(
        Case(
            case_id=f"case-{number:03}",
            request=f"What is the number after {number}?",
            expected=ExpectedAnswer(answers=(f"{number + 1} it is",)),
            cluster=f"cluster-{number // 2:02}",
            tags=("suite:golden", f"intent:{'even' if number % 2 else 'odd'}"),
        )
        for number in range(count)
    )


class Patchy:
    """A scripted agent that is right on a share of the requests, always the same ones."""

    def __init__(self, cases: Sequence[Case], share: float) -> None:
        self.right = {case.request: case.expected.ideal() for case in cases if solved(case, share)}

    def __call__(self, request: str) -> Prediction:
        """Answer one request."""
        return self.right.get(request, Prediction(answer="no idea"))


def solved(case: Case, share: float) -> bool:
    """Whether an agent that solves such a share solves this case."""
    return stream(3, case.case_id).random() < share


def try_agent(name: str, cases: Sequence[Case], *, share: float, repeats: int = 2, split: str = "test") -> Run:
    """The run of a scripted agent over cases; the eval set is named by their digests."""
    request = EvaluationRequest(
        agent=name,
        agent_digest=digest_json([name, share]),
        evalset_digest=version(cases),
        split="val" if split == "val" else "test",
        metrics=METRICS,
        repeats=repeats,
        source="scripted",
    )
    return evaluate(Patchy(cases, share), cases, request=request)


def version(cases: Sequence[Case]) -> str:
    """The version of a suite: its cases, whatever their order."""
    return digest_json([*sorted(case.digest for case in cases)])


def settle(at: Setting) -> Setting:
    """The verdict and report that follow from what is there, as an honest or a careful person would have them."""
    verdict = check(at.rules, challenger=at.challenger, champion=at.champion, seed=at.seed, terms=at.terms)
    return replace(at, verdict=verdict, report=summarize(at.challenger))


def on_cases(at: Setting, cases: Sequence[Case], *, repeats: int = 2, split: str = "test") -> Setting:
    """Both agents tried again on another list of cases."""
    cases = tuple(cases)
    champion = try_agent("champion", cases, share=0.5, repeats=repeats, split=split)
    challenger = try_agent("challenger", cases, share=0.85, repeats=repeats, split=split)
    return settle(replace(at, cases=cases, champion=champion, challenger=challenger, evalset=version(cases)))


def begin() -> Setting:
    """What was agreed."""
    cases = make_cases(80)
    champion = try_agent("champion", cases, share=0.5)
    challenger = try_agent("challenger", cases, share=0.85)
    terms = Terms(waivers=(WAIVER,), today=TODAY)
    verdict = check(RULES, challenger=challenger, champion=champion, seed=1, terms=terms)
    at = Setting(RULES, terms, cases, champion, challenger, verdict, summarize(challenger))
    return replace(at, evalset=version(cases))


def pact(at: Setting) -> Pact:
    """The gate as it stands in a setting."""
    return make_pact(at.rules, at.champion, at.cases, seed=at.seed, terms=at.terms)


def alarms(agreed: Pact, at: Setting) -> tuple[Alarm, ...]:
    """Everything the guard says."""
    presented = Presented(
        rules=at.rules,
        terms=at.terms,
        challenger=at.challenger,
        champion=at.champion,
        verdict=at.verdict,
        report=at.report,
    )
    return (*weakened(agreed, pact(at)), *contradictions(presented, at.cases, evalset_digest=at.evalset))
