"""A language model as a judge: asked as written, understood strictly, blamed for its own mistakes."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from workbench.core import (
    INAPPLICABLE,
    Budget,
    BudgetExceeded,
    Case,
    Episode,
    EvaluationError,
    ExpectedAbstention,
    ExpectedAnswer,
    Failure,
    Meter,
    Prediction,
    Step,
    ToolCall,
)
from workbench.evals.admission import Guarded, Labelled, admit
from workbench.evals.judge import Judge, judge_metric, make_judge
from workbench.lms import CallStore, LMSpec, record, replayed_lm, scope, scripted_lm

SPEC = LMSpec(model="scripted")
PROMPT = "Question: {request}\nRight: {expected}\nSaid: {answer}\nSound or faulty?"
SCALE = {"sound": 1.0, "partly sound": 0.6, "faulty": 0.0}
JUDGE = make_judge("sound", PROMPT, spec=SPEC, scale=SCALE)


def case(place: int = 0, answer: str = "Paris") -> Case:
    return Case(
        case_id=f"c{place}", request="Capital?", expected=ExpectedAnswer(answers=(answer,)), cluster=f"k{place}"
    )


def said(answer: str, place: int = 0, steps: tuple[Step, ...] = ()) -> Episode:
    return Episode(case_id=f"c{place}", prediction=Prediction(answer=answer, steps=steps), milliseconds=0)


def admitted(judge: Judge, answer: Callable[[str], str]) -> Guarded:
    """The judge on a scripted model, admitted on forty answers of either kind that it tells apart."""
    metric = judge_metric(judge, scripted_lm(lambda prompt: "sound" if "Said: Paris" in prompt else "faulty"))
    sample = [
        Labelled(case=case(place), episode=said("Paris" if place % 2 else "Rome", place), sound=bool(place % 2))
        for place in range(80)
    ]
    return judge_metric(judge, scripted_lm(answer), admission=admit(metric, sample))


def test_a_new_judge_says_nothing_and_an_admitted_one_judges() -> None:
    """The same model, before and after the labelled sample."""
    before = judge_metric(JUDGE, scripted_lm(lambda _prompt: "sound"))
    after = admitted(JUDGE, lambda _prompt: "It names the capital.\nVerdict: partly sound.")

    assert before(case(), said("Paris")).value is None
    assert "is not admitted" in before(case(), said("Paris")).reason
    assert (0.6, "judged 'partly sound': It names the capital. Verdict: partly sound.") == (
        after(case(), said("Paris")).value,
        after(case(), said("Paris")).reason,
    )


def test_it_is_asked_what_the_prompt_says() -> None:
    """Every hole is filled once; what an agent wrote can't open another."""
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return "faulty"

    admitted(JUDGE, answer)(case(), said("{expected}"))
    assert [True] == ["Question: Capital?\nRight: Paris\nSaid: {expected}\nSound or faulty?" in one for one in asked]


def test_passages_are_what_the_agent_retrieved() -> None:
    """Ids by their text; an unknown id is the grader's gap."""
    judge = make_judge("grounded", "{passages}\nSaid: {answer}", spec=SPEC, scale=SCALE)
    step = Step(
        name="r", kind="retriever", inputs={}, outputs={"documents": ["d"]}, start_milliseconds=0, milliseconds=0
    )
    lm = scripted_lm(lambda prompt: "sound" if "Paris is the capital" in prompt else "faulty")
    knowing = judge_metric(judge, lm, texts={"d": "Paris is the capital."})
    scores = [metric.judge(case(), said("Paris", steps=(step,))) for metric in (knowing, judge_metric(judge, lm))]

    assert [1.0, None] == [score.value for score in scores]
    assert "grader: document 'd'" in scores[1].reason
    assert knowing.digest != judge_metric(judge, lm).digest


@pytest.mark.parametrize(
    "reply", ["", "I can't tell.", "sound or faulty", "It is unsound", "Sound reasons first,\nand then it was cut o"]
)
def test_a_reply_without_one_verdict_is_the_grader_s_fault(reply: str) -> None:
    """Nothing, none, two, a part of a word, and one that was cut: unscored, never zero."""
    score = admitted(JUDGE, lambda _prompt: reply)(case(), said("Paris"))

    assert score.value is None
    assert score.reason.startswith(
        "grader: judge 'sound': its reply has not one verdict of sound, partly sound, faulty"
    )


def test_a_model_that_fails_is_the_grader_s_fault() -> None:
    """And a budget that ends is nobody's: it stops the evaluation."""

    def down(_prompt: str) -> str:
        raise RuntimeError("down")

    score = admitted(JUDGE, down)(case(), said("Paris"))
    assert (None, True) == (score.value, score.reason.startswith("grader: judge 'sound': does not answer"))

    broke = judge_metric(JUDGE, scripted_lm(lambda _prompt: "sound", meter=Meter(Budget(calls=0))))
    with pytest.raises(BudgetExceeded):
        broke.judge(case(), said("Paris"))


def test_blame_stays_where_it_is() -> None:
    """An agent's failure is 0, the infrastructure's is unscored, and silence has nothing to judge."""
    metric = admitted(JUDGE, lambda _prompt: "sound")

    def failed(blame: str) -> Episode:
        failure = Failure.model_validate({"blame": blame, "kind": "K", "message": "m"})
        return Episode(case_id="c0", prediction=None, failure=failure, milliseconds=0)

    assert [0.0, None] == [metric(case(), failed(blame)).value for blame in ("agent", "infrastructure")]
    silent = metric(case(), Episode(case_id="c0", prediction=Prediction(), milliseconds=0))
    no_text = Case(case_id="c0", request="?", expected=ExpectedAbstention(), cluster="k")
    assert [True, True] == [one.reason.startswith(INAPPLICABLE) for one in (silent, metric(no_text, said("Paris")))]


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": PROMPT + " "},
        {"model_identity": "0"},
        {"temperature": 0.5},
        {"max_tokens": 5},
        {"scale": JUDGE.scale[:2]},
        {"parser": "first-line@1"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_change_makes_another_judge(change: dict[str, object]) -> None:
    """Its digest is its version, so the admission of the old one is void."""
    if "scale" in change:
        change = {"scale": (*JUDGE.scale, JUDGE.scale[0].model_copy(update={"label": "fine"}))}

    assert JUDGE.digest != JUDGE.model_copy(update=change).digest


def test_where_the_verdict_stands() -> None:
    """The last line, or the first."""
    first = JUDGE.model_copy(update={"parser": "first-line@1"})
    grades = [judge.read("Faulty.\n\nIt could be sound.") for judge in (JUDGE, first)]

    assert ["sound", "faulty"] == [grade.label for grade in grades if grade]


@pytest.mark.parametrize(
    ("prompt", "scale", "why"),
    [
        ("Say yes", SCALE, "could not see"),
        (PROMPT, {"yes": 1.0, "Yes": 0.0}, "twice"),
        (PROMPT, {"good": 0.7, "fair": 0.5}, "can't tell sound from faulty"),
    ],
)
def test_what_can_not_judge_is_refused(prompt: str, scale: dict[str, float], why: str) -> None:
    """A prompt without the answer, a label twice, a scale on one side."""
    with pytest.raises(ValidationError, match=why):
        make_judge("j", prompt, spec=SPEC, scale=scale)


def test_another_model_is_another_judge() -> None:
    """A judge is not asked through a model it does not name."""
    other = make_judge("j", PROMPT, spec=LMSpec(model="openai/gpt-4o-mini"), scale=SCALE)
    with pytest.raises(EvaluationError, match="connect its own model"):
        judge_metric(other, scripted_lm(lambda _prompt: "sound"))


def test_calls_are_accounted_to_the_judge() -> None:
    """The ledger names the case and the judge."""
    with scope(run="r") as tally:
        judge_metric(JUDGE, scripted_lm(lambda _prompt: "sound")).judge(case(), said("Paris"))

    assert [("r", "c0", "judge:sound")] == [
        (one.where.run, one.where.case_id, one.where.module) for one in tally.calls()
    ]


def test_a_call_is_judged_where_nothing_is_said() -> None:
    """As JSON, whatever its characters; who did neither has no answer."""
    lm = scripted_lm(
        lambda prompt: "sound" if 'Said: {"tool": "ride", "arguments": {"to": "Zürich"}}' in prompt else ""
    )
    call = ToolCall(tool_id="ride#1", name="ride", arguments={"to": "Zürich"})
    scores = [
        judge_metric(JUDGE, lm).judge(case(), Episode(case_id="c0", prediction=prediction, milliseconds=0))
        for prediction in (Prediction(call=call), Prediction(abstained=True))
    ]

    assert [(1.0, ""), (None, f"{INAPPLICABLE}there is no answer to judge")] == [(s.value, s.reason) for s in scores]


def test_a_metric_may_be_called_otherwise() -> None:
    """The judge and its admission stay the same."""
    lm = scripted_lm(lambda _prompt: "sound")
    named = judge_metric(JUDGE, lm, called="helpful", texts={"d": "not asked for"})

    assert ("helpful", "helpful") == (named.name, named(case(), said("Paris")).metric)
    assert judge_metric(JUDGE, lm).digest == named.digest


def test_a_judgement_can_be_replayed(tmp_path: Path) -> None:
    """What a judge was paid for once is the same for ever; what it was never asked is no verdict."""
    store = CallStore(tmp_path / "calls.db")
    with scope() as tally:
        paid = judge_metric(JUDGE, scripted_lm(lambda _prompt: "partly sound", store=store)).judge(
            case(), said("Paris")
        )
    recordings = record(store, [call.key for call in tally.calls()])
    store.close()
    replayed = judge_metric(JUDGE, replayed_lm(SPEC, recordings)).judge

    assert paid == replayed(case(), said("Paris"))
    assert (None, True) == (
        replayed(case(), said("Rome")).value,
        "was never recorded" in replayed(case(), said("Rome")).reason,
    )
