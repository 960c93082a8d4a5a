"""An experiment over a live index: measured on one generation, released as a copy or as a reference to the index."""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import dspy
import pytest
from rehearsal import judge

from workbench.core import (
    EVERYONE,
    Case,
    ConfigError,
    DataError,
    Document,
    ExpectedAnswer,
    Meter,
    Origin,
    read_record,
    read_run,
    stream,
    write_records,
)
from workbench.lab import Bench, Workspace, read_experiment, stages
from workbench.lab.outcome import Folders
from workbench.lab.release import package_parts
from workbench.lms import CallStore, LMSpec, scripted_lm
from workbench.packaging import export_package, load_package, self_test
from workbench.packaging.parts import LiveReference
from workbench.retrieval import IndexSpec, LiveIndex, View, create_live, update

TEXT = """\
question: Does the handbook answer?
data: {{cases: questions.jsonl, train: 2, val: 4, test: 12, abstention: 0}}
lm: {{model: embedded, timeout_seconds: 5}}
live: {live}
agent: {{pattern: answer, k: 1}}
optimize: {{using: [random_search], space: {{k: [1, 2]}}, budget: {{calls: 40, tokens: 400000}}}}
metrics: [task_success, recall@1]
gate:
  - {{metric: task_success, at_least: 0.05}}
traces: 2
workers: 2
seed: 7
"""
BY_NAME = "{name: handbook, ship: reference, principals: [staff]}"


class Judged(NamedTuple):
    bench: Bench
    folders: Folders
    live: LiveIndex


def page(number: int, answer: str) -> Document:
    """Every other page is for the staff alone."""
    letters = stream(number, "words")
    words = " ".join("".join(letters.choice("abcdefghijklmnop") for _ in range(7)) for _ in range(5))
    readers = ("staff",) if number % 2 else (EVERYONE,)
    return Document(
        doc_id=f"page-{number}", title=words, text=f"{words} is {answer}", origin=Origin(source="wiki", readers=readers)
    )


PAGES = [page(number, f"value-{number}") for number in range(20)]


def rule(prompt: str) -> str:
    """What the first passage says."""
    return json.dumps(prompt.rpartition("Passages: ")[2].partition("\n")[0].rpartition(" is ")[2])


def connect(spec: LMSpec, *, store: CallStore | None = None, meter: Meter | None = None) -> dspy.LM:
    return scripted_lm(rule, spec=spec, store=store, meter=meter)


def prepare(folder: Path, live: str) -> LiveIndex:
    """A live index, its questions and an experiment file."""
    create_live(folder / "work/indexes/handbook", "handbook", IndexSpec(retriever="bm25"))
    index = LiveIndex(folder / "work/indexes/handbook")
    update(index, PAGES)
    cases = [
        Case(
            case_id=f"q-{number:02}",
            request=document.title,
            expected=ExpectedAnswer(answers=(f"value-{number}",), documents=(document.doc_id,)),
            cluster=f"q-{number}",
        )
        for number, document in enumerate(PAGES)
    ]
    write_records(folder / "questions.jsonl", cases)
    (folder / "handbook.yaml").write_text(TEXT.format(live=live))
    return index


def judged(folder: Path, live: str) -> Judged:
    index = prepare(folder, live)
    bench = Bench(read_experiment(folder / "handbook.yaml"), Workspace(folder / "work"), connect=connect)
    return Judged(bench, judge(bench), index)


def test_a_reference_is_measured_pinned_and_served_living(tmp_path: Path) -> None:
    """Asked as staff every case is right; what the index holds later is answered, to whom it is open."""
    bench, folders, live = judged(tmp_path, BY_NAME)
    run = read_run(folders.winner / "test")
    update(live, [page(3, "news")], deleted=["page-4"])
    package = export_package(tmp_path / "dist", package_parts(bench, folders))
    reference = read_record(package / "index/reference.json", LiveReference)
    loaded = load_package(package, lm=scripted_lm(rule))
    staff = View(principals=("staff",))

    assert {1.0} == {score.value for score in run.scores}
    assert ["reference.json"] == [path.name for path in (package / "index").iterdir()]
    assert ("handbook", str(live.folder.resolve()), live.digest) == (
        reference.name, reference.location, reference.identity,
    )  # fmt: skip
    assert ["news", None] == [loaded.answer(PAGES[number].title, staff).answer for number in (3, 4)]
    assert loaded.answer(PAGES[3].title).abstained
    assert [] == [line for line in self_test(package) if not line.passed]


def test_a_copy_ships_what_was_measured(tmp_path: Path) -> None:
    """Its name alone is a copy, asked as nobody: what is not for everyone is not found, and no refresh reaches it."""
    bench, folders, live = judged(tmp_path, "handbook")
    run = read_run(folders.winner / "test")
    right = {one.case_id: one.value for one in run.scores if one.metric == "task_success"}
    package = export_package(tmp_path / "dist", package_parts(bench, folders))
    update(live, [], deleted=[document.doc_id for document in PAGES])
    loaded = load_package(package, lm=scripted_lm(rule))

    assert {case_id: float(int(case_id[2:]) % 2 == 0) for case_id in right} == right
    assert "value-2" == loaded.answer(PAGES[2].title).answer
    assert "value-3" == loaded.answer(PAGES[3].title, View(principals=("staff",))).answer
    assert [] == [line for line in self_test(package) if not line.passed]


def test_an_index_that_changed_is_measured_anew(tmp_path: Path) -> None:
    """The same generation is found again, another is another stage; a started bench stays with its own."""
    live = prepare(tmp_path, BY_NAME)

    def pinned() -> tuple[Path, Bench]:
        bench = Bench(read_experiment(tmp_path / "handbook.yaml"), Workspace(tmp_path / "work"), connect=connect)
        return stages.index(bench), bench

    first, bench = pinned()
    assert first == pinned()[0]
    update(live, [page(1, "news")])
    assert first != pinned()[0]
    assert PAGES[1] == bench.pinned(first).get(["page-1"])[0]


def test_an_index_that_was_made_anew_is_pinned_anew(tmp_path: Path) -> None:
    """It holds the same, and what refers to the one before would not be served."""

    def pinned() -> tuple[str, str]:
        bench = Bench(read_experiment(tmp_path / "handbook.yaml"), Workspace(tmp_path / "work"), connect=connect)
        return bench.pinned(stages.index(bench)).digest, bench.live.digest

    prepare(tmp_path, BY_NAME)
    first = pinned()
    shutil.rmtree(tmp_path / "work/indexes/handbook")
    prepare(tmp_path, BY_NAME)
    second = pinned()

    assert first[0] == first[1] != second[0] == second[1]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("cases: questions.jsonl, ", "", "data.cases: is missing; a live index is asked questions of its own"),
        ("questions.jsonl", "nothing.jsonl", r"data.cases: file '.*nothing.jsonl' is missing"),
        ("pattern: answer, ", "", "agent.pattern: 'tool_call' searches a catalogue"),
        ("k: 1}", "k: 1, index: {k1: 0.9}}", "agent.index: is that of the live index; leave it out"),
        ("k: [1, 2]", "index.k1: [0.9, 1.2]", "optimize.space.index.k1: can't be varied"),
        ("[random_search]", "[tune_retrieval]", "optimize.using: tune_retrieval ranks tools"),
    ],
)
def test_what_can_not_go_together_is_told_with_its_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """Before anything is opened."""
    prepare(tmp_path, BY_NAME)
    (tmp_path / "handbook.yaml").write_text(TEXT.format(live=BY_NAME).replace(old, new, 1))

    with pytest.raises(ConfigError, match=expected):
        read_experiment(tmp_path / "handbook.yaml")


def test_an_unknown_live_index_gets_the_nearest(tmp_path: Path) -> None:
    """When the workspace is known."""
    prepare(tmp_path, "handbok")

    with pytest.raises(DataError, match=r"live index 'handbok' .* did you mean \"handbook\""):
        Bench(read_experiment(tmp_path / "handbook.yaml"), Workspace(tmp_path / "work"))
