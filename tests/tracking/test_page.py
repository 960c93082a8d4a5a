"""The page says all that was measured, shows what went wrong step by step, and needs nothing beside it."""

import re
from html.parser import HTMLParser

import pytest
import weather

from workbench.core import Failure, Run, Step, Usage
from workbench.evals import summarize
from workbench.evals.kpi import KpiLine
from workbench.evals.selective import Price, judge, operating_curve
from workbench.evals.worst import Worst, worst
from workbench.tracking.page import render, render_run_page
from workbench.tracking.plots import draw, draw_operating_curve, draw_report

PNG = b"\x89PNG\r\n"
CASES = tuple(weather.make_case(number) for number in range(10))
VOID = {"meta", "img", "br"}


class Balance(HTMLParser):
    """Every element that is opened is closed, in its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop()


def titles(page: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", page)


def make_run() -> Run:
    """Case 0 is wrong and was told so by a tool; case 1 is half right by one metric; case 3 failed by the agent."""
    run = weather.make_run(CASES)
    episodes = list(run.episodes)
    prediction = episodes[0].prediction
    assert prediction is not None
    told = Step(
        name="get_weather",
        kind="tool",
        inputs={"city": "<b>Town</b>", "api_key": "sk-not-to-be-seen"},
        outputs={},
        start_milliseconds=644,
        milliseconds=3,
        error="ask jo@example.org",
    )
    said = told.model_copy(update={"name": "reply", "kind": "agent", "inputs": {}, "outputs": {"text": "x" * 9000}})
    steps = (*prediction.steps, told, said)
    episodes[0] = episodes[0].model_copy(update={"prediction": prediction.model_copy(update={"steps": steps})})
    limit = Failure(blame="agent", kind="StepLimit", message="8 steps were not enough")
    episodes[3] = episodes[3].model_copy(update={"prediction": None, "failure": limit})
    header = run.header.model_copy(update={"source": "scripted"})
    half = [case.model_copy(update={"value": 0.5}) if place == 3 else case for place, case in enumerate(run.scores)]
    return run.model_copy(update={"episodes": tuple(episodes), "header": header, "scores": tuple(half)})


@pytest.fixture
def cases() -> tuple[Worst, ...]:
    """The worst of `make_run`."""
    return worst(make_run(), 5, cases=CASES)


def test_the_page_of_a_run_has_every_line_slice_failure_and_plot(cases: tuple[Worst, ...]) -> None:
    """With interval, coverage and the label of its source; a plot stands with its table."""
    report = summarize(make_run())
    page = render_run_page(report, cases, {"scores.png": PNG, "slices.png": PNG, "more.png": PNG}, source="scripted")

    assert ["Scores", "Costs", "More", "Slices", "Failed episodes", "Worst cases"] == titles(page)
    assert all(f"<td class=n>{line.name}</td>" in page for line in report.lines)
    assert "<td class=n>0.667 [0.245, 0.925]</td><td class=n>9 of 10 (90 %)</td><td class=n>5</td>" in page
    assert "<td class=n>live</td><td class=n>exact_call</td>" in page
    assert "<td class=n>agent</td><td class=n>StepLimit</td><td class=n>1</td>" in page
    assert "How the figures came about: <b>scripted</b>" in page
    assert "no gate has decided" in page
    assert 3 == page.count("<img ")


def test_the_page_of_an_outcome_has_verdict_sides_differences_and_worst_cases(cases: tuple[Worst, ...]) -> None:
    """Baseline and winner side by side, in scores, costs, slices and failures."""
    spent = Usage(calls=180, cached_calls=20, prompt_tokens=70_000, completion_tokens=3_000, usd=None)
    more = {"worst": cases, "source": "scripted", "usage": spent}
    page = render(weather.make_outcome("INCONCLUSIVE").model_copy(update=more), {})

    assert '<h1 class="INCONCLUSIVE">INCONCLUSIVE</h1>' in page
    expected = ["Rules", "Scores on test", "Costs on test", "Differences on the same cases", "Slices"]
    assert [*expected, "Failed episodes", "Worst cases of the winner"] == titles(page)
    assert "<td class=n>0.300 [0.220, 0.380]</td><td class=n>0.520 [0.440, 0.600]</td>" in page
    assert "<td class=n>multiple</td><td class=n>exact_call</td><td class=n>0.400 [0.320, 0.480]</td>" in page
    assert "<td class=n>0.220 [0.090, 0.340]</td><td class=n>0.0031</td><td class=n>31</td>" in page
    assert (
        "<td class=n>unmeasured</td><td class=n>0 of 100 (0 %)</td><td>the price of this model is unknown</td>" in page
    )
    assert "180 paid calls, 73,000 tokens, unknown dollars" in page
    assert "How the figures came about: <b>scripted</b>" in page
    assert page.index("case-0003") < page.index("case-0000")


def test_kpis_are_shown_measured_or_not(cases: tuple[Worst, ...]) -> None:
    """On both pages: estimate with unit and interval, or unmeasured with the reason."""
    kpis = (
        KpiLine(
            name="cost_per_task",
            unit="USD",
            direction="lower",
            estimate=0.5,
            low=0.25,
            high=0.75,
            n=9,
            clusters=5,
            coverage=0.9,
            source="scripted",
        ),
        KpiLine(name="satisfaction", unit="1", direction="higher", estimate=None, n=0, clusters=0, reason="no record"),
    )
    pages = (
        render_run_page(summarize(make_run()), cases, {}, kpis=kpis),
        render(weather.make_outcome().model_copy(update={"kpis": kpis}), {}),
    )

    for page in pages:
        assert "<td class=n>0.500 USD [0.250, 0.750]</td><td class=n>lower</td><td class=n>9</td>" in page
        assert "<td class=n>satisfaction</td><td class=n>unmeasured</td>" in page
        assert "<td class=n>no record</td>" in page


def test_a_case_shows_what_was_asked_and_every_step(cases: tuple[Worst, ...]) -> None:
    """Kind, inputs, outputs and errors in order; texts are escaped, cut and redacted; three cases are unfolded."""
    report = summarize(make_run()).model_copy(update={"failures": {"agent:jo@example.org": 1}})
    page = render_run_page(report, cases, {})
    story = page[page.index("<b>case-0000</b>") :]

    assert [" open", " open", " open", ""] == re.findall(r"<details( open|)>", page)
    order = ["What is the weather in Town 0?", "1. retriever", "2. lm", "3. chain", "4. tool", "5. agent"]
    places = [story.index(words) for words in order]
    assert sorted(places) == places
    assert "city: &lt;b&gt;Town&lt;/b&gt;" in story
    assert "<pre class=error>ask [e-mail]</pre>" in story
    assert "… <small>(9,006 characters)</small>" in story
    assert "x" * 4001 not in story
    assert "8 steps were not enough" in page
    assert [] == [secret for secret in ("sk-not-to-be-seen", "jo@example.org") if secret in page]


@pytest.mark.parametrize("empty", [True, False])
def test_a_page_is_whole_and_needs_nothing_beside_it(empty: bool, cases: tuple[Worst, ...]) -> None:
    """Balanced elements, no address of anything outside, no script; the same input gives the same bytes."""
    report = summarize(make_run())
    if empty:
        report = report.model_copy(update={"lines": (), "slices": (), "failures": {}})
    page = render_run_page(report, () if empty else cases, {} if empty else draw_report(report))
    balance = Balance()
    balance.feed(page)

    assert [] == balance.open
    assert [] == re.findall(r'(?:src|href)=(?!"data:)', page)
    assert not re.search(r"https?:|<script|@import|url\(", page)
    assert page == render_run_page(report, () if empty else cases, {} if empty else draw_report(report))
    assert ([] if empty else ["Scores", "Costs", "Slices", "Failed episodes", "Worst cases"]) == titles(page)


def test_plots_are_drawn_where_there_are_data() -> None:
    """Scores and slices of a run; nothing of an empty one; the same bytes again."""
    report = summarize(make_run())

    assert ["scores.png", "slices.png"] == list(draw_report(report))
    assert all(image.startswith(PNG[:4]) for image in draw_report(report).values())
    assert draw_report(report) == draw_report(report)
    assert {} == draw_report(report.model_copy(update={"lines": (), "slices": ()}))
    assert {"scores.png", "candidates.png", "slices.png"} == set(draw(weather.make_outcome()))


def test_the_operating_curve_is_drawn() -> None:
    """Also where nothing is answered, or one cluster leaves no interval."""
    judged = judge([0.9, 0.8, 0.1], [True, True, False], ["a", "a", "a"])
    curve = operating_curve(judged, Price(error=5, escalation=1))

    assert draw_operating_curve(curve, title="t").startswith(PNG[:4])
    assert draw_operating_curve(curve[-1:], title="t").startswith(PNG[:4])
