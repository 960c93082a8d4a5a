"""One small experiment: two agents, cases about the weather, steps, costs, a verdict."""

from workbench.core import (
    Case,
    Comparison,
    Episode,
    ExpectedAbstention,
    ExpectedCall,
    Failure,
    Finding,
    Line,
    Prediction,
    Report,
    Run,
    RunHeader,
    Score,
    Slice,
    Split,
    Status,
    Step,
    ToolCall,
    ToolSpec,
    Usage,
    Verdict,
)
from workbench.tracking import Outcome, RunLog

TOOL = ToolSpec(name="get_weather", description="Weather of a place")


def make_case(number: int) -> Case:
    """Cases 0 to 4 want a call, every fifth wants an abstention."""
    expected = ExpectedCall(tool=TOOL, arguments={"city": [f"Town {number}"]})
    return Case(
        case_id=f"case-{number:04}",
        request=f"What is the weather in Town {number}? Tell me in celsius, please.",
        expected=ExpectedAbstention() if number % 5 == 4 else expected,
        cluster=f"group-{number // 2}",
        tags=("live",) if number % 2 else ("plain",),
    )


def make_episode(case: Case, *, failed: bool = False, request: str | None = None) -> Episode:
    """An episode of three steps, or one that failed."""
    failure = Failure(blame="infrastructure", kind="timeout", message="no answer in 30 s") if failed else None
    steps = (
        Step(
            name="retrieve",
            kind="retriever",
            inputs={"query": request or case.request, "k": 5},
            outputs={"ranked": ["get_weather#0a", "get_time#1b"]},
            start_milliseconds=0.5,
            milliseconds=2.25,
        ),
        Step(
            name="fill",
            kind="lm",
            inputs={"prompt": "Request: one\nCall: {}\n" * 12 + (request or case.request)},
            outputs={"text": '{"city": "Town"}'},
            start_milliseconds=3.0,
            milliseconds=640.0,
        ),
        Step(name="check", kind="chain", inputs={}, outputs={"valid": True}, start_milliseconds=643, milliseconds=0.1),
    )
    call = ToolCall(tool_id="get_weather#0a", name="get_weather", arguments={"city": "Town"})
    return Episode(
        case_id=case.case_id,
        prediction=None if failed else Prediction(ranked=("get_weather#0a",), call=call, steps=steps),
        failure=failure,
        usage=Usage()
        if failed
        else Usage(calls=1, prompt_tokens=410, completion_tokens=20, usd=0.002, milliseconds=640),
        milliseconds=650.0,
    )


def make_run(cases: tuple[Case, ...], *, agent: str = "winner", split: Split = "test") -> Run:
    """Every third call is wrong; the last case failed and is unscored."""
    last = cases[-1].case_id
    scores = tuple(
        Score(case_id=case.case_id, metric=metric, value=None, reason="infrastructure: timeout")
        if case.case_id == last
        else Score(case_id=case.case_id, metric=metric, value=float(number % 3 != 0))
        for number, case in enumerate(cases)
        for metric in ("exact_call", "tool_choice")
    )
    return Run(
        header=RunHeader(
            agent=agent,
            agent_digest="a" * 64,
            evalset_digest="e" * 64,
            split=split,
            metrics=("exact_call", "tool_choice"),
        ),
        clusters={case.case_id: case.cluster for case in cases},
        tags={case.case_id: case.tags for case in cases},
        episodes=tuple(make_episode(case, failed=case.case_id == last) for case in cases),
        scores=scores,
    )


def make_line(name: str, estimate: float | None, *, unit: str = "1", width: float = 0.08) -> Line:
    """A line with an interval of `width` to each side."""
    known = estimate is not None
    return Line(
        name=name,
        kind="score" if unit == "1" else "cost",
        unit=unit,
        estimate=estimate,
        low=None if estimate is None else max(0.0, estimate - width),
        high=None if estimate is None else estimate + width,
        cases=95 if known else 0,
        unscored=5 if known else 100,
        clusters=40,
        reason="" if known else "the price of this model is unknown",
    )


def make_report(agent: str, level: float, *, split: Split = "test", tokens: float = 430.0) -> Report:
    """Three scores around `level`, three costs, one of them unmeasured, and three slices."""
    return Report(
        agent=agent,
        run_digest="b" * 64,
        evalset_digest="e" * 64,
        split=split,
        lines=(
            make_line("exact_call", level),
            make_line("tool_choice", min(0.97, level + 0.2)),
            make_line("abstention", min(0.97, level + 0.1)),
            make_line("tokens_per_case", tokens, unit="tokens", width=20),
            make_line("model_ms_p50", 1.5 * tokens, unit="ms", width=60),
            make_line("usd_per_case", None, unit="USD"),
        ),
        slices=tuple(
            Slice(tag=tag, line=make_line("exact_call", level + shift))
            for tag, shift in (("live_multiple", -0.1), ("multiple", 0.1), ("irrelevance", 0.05))
        ),
        failures={"infrastructure:timeout": 5},
    )


def make_verdict(status: Status = "PASS", agent_digest: str = "d" * 64) -> Verdict:
    """One rule that passed, one with the given status."""
    return Verdict(
        status=status,
        findings=(
            Finding(
                rule="exact_call of the winner is higher than the baseline's",
                status=status,
                metric="exact_call",
                estimate=0.22,
                low=0.09,
                high=0.34,
                threshold=0.0,
                p_value=0.0031,
                cases=95,
                clusters=40,
                smallest_effect=0.11,
                reason="0.220 [0.090, 0.340] is above 0" if status == "PASS" else "the interval holds 0",
            ),
            Finding(
                rule="tokens_per_case at most 600",
                status="PASS",
                metric="tokens_per_case",
                estimate=430.0,
                threshold=600.0,
                cases=95,
                clusters=40,
                reason="430 is at most 600",
            ),
        ),
        agent_digest=agent_digest,
        champion_digest="c" * 64,
        run_digest="b" * 64,
        champion_run_digest="f" * 64,
        evalset_digest="e" * 64,
        rules_digest="9" * 64,
        seed=7,
    )


def make_runlog(name: str, role: str, level: float, *, tokens: float = 430.0) -> RunLog:
    """A run measured on val, and on test unless it is a candidate."""
    splits: tuple[Split, ...] = ("val",) if role == "candidate" else ("val", "test")
    digest = {"baseline": "c" * 64, "winner": "d" * 64}.get(role) or name.encode().hex().ljust(64, "0")
    return RunLog.model_validate(
        {
            "name": name,
            "role": role,
            "agent_digest": digest,
            "params": {"pattern": "tool_call", "k": 5, "retriever": {"kind": "rrf", "lexical": "bm25"}, "demos": 4},
            "reports": [make_report(name, level, split=split, tokens=tokens) for split in splits],
            "usage": Usage(
                calls=180, cached_calls=20, prompt_tokens=70_000, completion_tokens=3_000, saved_tokens=8_000, usd=None
            ),
        }
    )


def make_outcome(status: Status = "PASS") -> Outcome:
    """An outcome with six candidates."""
    levels = ((0.30, 180), (0.35, 220), (0.33, 300), (0.47, 410), (0.52, 430), (0.50, 720))
    return Outcome(
        verdict=make_verdict(status),
        baseline=make_report("baseline", 0.30, tokens=180),
        winner=make_report("winner", 0.52),
        comparisons=(
            Comparison(
                metric="exact_call",
                champion="baseline",
                challenger="winner",
                difference=0.22,
                low=0.09,
                high=0.34,
                p_value=0.0031,
                cases=95,
                clusters=40,
                better=31,
                worse=10,
            ),
        ),
        metric="exact_call",
        candidates=(
            make_runlog("baseline", "baseline", 0.30, tokens=180),
            *(
                make_runlog(f"candidate-{n:03}", "candidate", level, tokens=cost)
                for n, (level, cost) in enumerate(levels)
            ),
            make_runlog("winner", "winner", 0.52),
        ),
        texts={"report.txt": "exact_call 0.520 [0.440, 0.600]\n", "verdict.txt": "PASS\n"},
    )
