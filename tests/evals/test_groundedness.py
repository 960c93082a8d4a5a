"""Attribution without a model call: counted features, a scorer that is plain JSON, a metric with its reasons."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.groundedness import DEV, learn, read_begin
from benchmarks.shared_data import shared
from workbench.core import (
    INAPPLICABLE,
    Case,
    Corpus,
    DataError,
    Document,
    Episode,
    EvaluationError,
    ExpectedAnswer,
    Failure,
    Prediction,
    Step,
    write_record,
)
from workbench.evals.groundedness import Example, Provenance, bind_groundedness, read_scorer, retrieved, train
from workbench.evals.groundedness_features import FEATURES, Pair, features, subsequence

SOURCE = "The Eiffel Tower was built in Paris in 1889 and is 330 metres high."
CASE = Case(case_id="c", request="How high is it?", expected=ExpectedAnswer(answers=("330 metres",)), cluster="k")
CORPUS = Corpus(
    name="k",
    documents=(Document(doc_id="d1", text=SOURCE), Document(doc_id="d2", text="Lyon lies where two rivers meet.")),
)


def step(outputs: dict[str, object], kind: str = "retriever") -> Step:
    return Step.model_validate(
        {"name": "r", "kind": kind, "inputs": {}, "outputs": outputs, "start_milliseconds": 0, "milliseconds": 0}
    )


def said(answer: str | None, *steps: Step, abstained: bool = False) -> Episode:
    prediction = Prediction(answer=answer, abstained=abstained, steps=steps)
    return Episode(case_id="c", prediction=prediction, milliseconds=0)


FOUND = step({"documents": ["d1", "d2"]})


def counted(answer: str, source: str = SOURCE, request: str = "") -> dict[str, float]:
    return dict(zip(FEATURES, features([Pair(answer, source, request)])[0].round(3).tolist(), strict=True))


def test_features_worked_by_hand() -> None:
    """Of six words "built" and "1889" are told, with "in" between them; "love" and "not" are the answer's own."""
    found = counted("I do not love built in 1889?", request="What do you love?")

    assert {
        "length": 1.946,  # log 7
        "novel_words": 1.609,  # log (1 + I, do, not, love)
        "novel_content": 1.099,  # log (1 + I, love): do and not carry no content
        "longest_novel_run": 1.609,  # I do not love
        "precision": 0.429,  # 3 of 7
        "bigram_precision": 0.333,  # "built in" and "in 1889" of 6
        "subsequence": 0.429,  # built in 1889
        "from_request": 0.693,  # love
        "first_person": 0.693,
        "opinions": 0.693,
        "negated": 1.0,
        "question": 1.0,
    } == found


def test_a_longer_source_changes_no_feature_of_what_it_does_not_touch() -> None:
    """Retrieval may hand over more: words that are not in the answer count for nothing."""
    answer = "The tower was built in 1889."

    assert counted(answer) == counted(answer, f"{SOURCE} Zebras graze near quiet lakes. {'Blue birds sing. ' * 50}")


@pytest.mark.parametrize(
    ("first", "second", "length"), [("", "", 0), ("abc", "", 0), ("abc", "abc", 3), ("abcd", "bd", 2), ("xy", "yx", 1)]
)
def test_subsequences_at_the_edges(first: str, second: str, length: int) -> None:
    """Empty, equal, embedded and reversed."""
    assert length == subsequence(first, second)


def test_a_negation_counts_where_the_source_has_none() -> None:
    """To say no with the source is no sign of anything."""
    assert [1.0, 0.0] == [counted("It isn't in Lyon.", source)["negated"] for source in (SOURCE, "It is not in Lyon.")]


def test_nothing_to_count_is_no_error() -> None:
    """Without an answer nothing is novel; without a source everything is."""
    nothing = {name: value for name, value in counted("", "").items() if value}

    assert {"precision": 1.0, "bigram_precision": 1.0} == nothing
    assert 0.0 == counted("Paris", "")["precision"]


def test_the_shipped_scorer_tells_what_is_told_from_what_is_not() -> None:
    """A quotation and a rephrasing pass; an opinion and an invention do not, and the reason names what is new."""
    metric = bind_groundedness(CORPUS)
    told = ("The Eiffel Tower was built in Paris in 1889.", "It is 330 metres high and was built in 1889.")
    untold = ("I love it, my uncle proposed there!", "Gustave designed it for a fair, and it weighs 7300 tonnes.")

    assert [1.0, 1.0, 0.0, 0.0] == [metric(CASE, said(answer, FOUND)).value for answer in (*told, *untold)]
    reason = metric(CASE, said(untold[1], FOUND)).reason
    assert reason.startswith("attributable with probability 0.0")
    assert reason.endswith("; not in the source: gustave, designed, fair, weighs, 7300")


def test_sources_are_all_that_retrievers_handed_over() -> None:
    """Passages as text, documents by id, of all steps in order and each once; steps of other kinds say nothing."""
    steps = (step({"documents": ["d2"]}), step({"passages": ["x"]}), step({"documents": ["d9"]}, "tool"), FOUND)
    texts = {document.doc_id: document.text for document in CORPUS.documents}

    assert (("x", texts["d2"], texts["d1"]), ()) == retrieved(Prediction(steps=steps), texts)
    assert ((), ("d1", "d2")) == retrieved(Prediction(steps=(FOUND,)), {})
    assert (None, ()) == retrieved(Prediction(steps=(step({"tools": ["t"]}),)), texts)


def test_what_can_not_be_judged_is_unscored() -> None:
    """No answer, an abstention, no retrieval and an agent's failure do not apply; a text we lack is a gap."""
    metric = bind_groundedness(CORPUS)
    failures = [
        Failure.model_validate({"blame": blame, "kind": "K", "message": "m"}) for blame in ("agent", "infrastructure")
    ]
    agent, infrastructure = (
        Episode(case_id="c", prediction=None, failure=failure, milliseconds=0) for failure in failures
    )
    inapplicable = (said(None, FOUND), said("No idea.", FOUND, abstained=True), said("Paris"), agent)
    gaps = (said("Paris", step({"documents": ["d9"]})), infrastructure)

    assert [True] * 4 == [metric(CASE, one).reason.startswith(INAPPLICABLE) for one in inapplicable]
    assert [None] * 6 == [metric(CASE, one).value for one in (*inapplicable, *gaps)]
    assert ["grader: document 'd9'", "infrastructure: K: m"] == [
        metric(CASE, one).reason.partition(": its")[0] for one in gaps
    ]


def test_the_digest_is_that_of_scorer_and_corpus() -> None:
    """Another threshold or another corpus grades anew."""
    scorer = read_scorer()
    metrics = [
        bind_groundedness(CORPUS),
        bind_groundedness(CORPUS, scorer.model_copy(update={"threshold": 0.5})),
        bind_groundedness(CORPUS.model_copy(update={"name": "other"})),
    ]

    assert 3 == len({one.digest for one in metrics})
    assert metrics[0].digest == bind_groundedness(CORPUS).digest


def test_using_a_scorer_loads_no_training_library() -> None:
    """It is numbers in JSON."""
    program = (
        "import sys; from workbench.evals.groundedness import read_scorer; read_scorer(); "
        "print('sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "False" == done.stdout.strip()


def test_weights_of_other_features_are_refused(tmp_path: Path) -> None:
    """A scorer of another version's features would give nonsense."""
    scorer, path = read_scorer(), tmp_path / "scorer.json"
    write_record(path, scorer)
    assert scorer == read_scorer(path)

    write_record(path, scorer.model_copy(update={"features_digest": "0" * 64}))
    with pytest.raises(EvaluationError, match="trained on other features"):
        read_scorer(path)


def test_too_little_to_learn_from_is_said() -> None:
    """One kind of answers, or a handful of sources."""
    provenance = Provenance(name="few", sha256="", licence="", attribution="", examples=20)
    one_kind = [Example(answer="a", source=str(place), attributable=True) for place in range(20)]
    few = [Example(answer="a", source=str(place % 3), attributable=place % 2 == 0) for place in range(20)]

    for examples in (one_kind, few):
        with pytest.raises(EvaluationError, match="can't teach"):
            train(examples, provenance)


def test_the_shipped_scorer_is_what_the_dev_part_teaches() -> None:
    """Trained anew it is the same, to rounding; and cross-validated it is right in nine of ten of either kind."""
    try:
        shared(DEV)
    except DataError as cause:
        pytest.skip(str(cause))
    anew, shipped = learn(), read_scorer()

    assert shipped.trained_on == anew.trained_on
    assert pytest.approx(shipped.weights, abs=1e-4) == anew.weights
    assert pytest.approx((shipped.intercept, shipped.threshold), abs=1e-4) == (anew.intercept, anew.threshold)
    assert (225, 250, 167, 180) == (
        anew.calibration.caught.hits,
        anew.calibration.caught.answers,
        anew.calibration.passed.hits,
        anew.calibration.passed.answers,
    )


def test_rows_of_the_data_set_are_checked(tmp_path: Path) -> None:
    """An unknown label names its line; a missing column is named."""
    path = tmp_path / "begin.tsv"
    head = "model_name\tdata_source\tknowledge\tmessage\tresponse\tbegin_label\n"
    path.write_text(f'{head}t5\twow\tA "quote.\tm\tr\tGeneric\nt5\twow\tk\tm\tr\tUnclear\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"begin\.tsv:3"):
        read_begin(path)

    path.write_text(f'{head}t5\twow\tA "quote.\tm\tr\tGeneric\n', encoding="utf-8")
    assert (Example(request="m", answer="r", source='A "quote.', attributable=False),) == read_begin(path)

    path.write_text("knowledge\tmessage\n", encoding="utf-8")
    with pytest.raises(DataError, match="'response'"):
        read_begin(path)
