"""An experiment's own scorers: checked before anything is spent, asked like agents, named as its file names them."""

import json
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from rehearsal import TEXT, Rehearsal, Told, bench_in, judge

from workbench.core import Case, ConfigError, Episode, ExpectedAnswer, Prediction, Run, ToolCall, read_run, write_record
from workbench.evals import Judge, Labelled, admit, judge_metric, make_judge, summarize
from workbench.lab import Experiment, deciding, read_experiment, stages
from workbench.lab.guarding import agree_gate, check_release
from workbench.lab.outcome import Folders
from workbench.lab.release import track
from workbench.lms import CallStore, LMSpec, scripted_lm
from workbench.tracking import open_store, read_runs

CODE = """\
from mlflow.genai.scorers import scorer
from mlflow.genai.judges import make_judge

LEAST = 1

@scorer
def filled(outputs):
    return isinstance(outputs, dict) and len(outputs["arguments"]) >= LEAST

asking = make_judge(name="asking", instructions="Is {{ outputs }} right?", model="openai:/gpt-4o-mini")
"""
SCORERS = """\
scorers:
  filled: {mlflow: "checks.py:filled"}
  exact: {ragas: ExactMatch}
  sound: {judge: judges/sound.json, admission: judges/sound.admission.json, lm: {model: openai/acme, key_env: ACME}}
"""
RULES = "  - {metric: sound, at_least: 0.05}\n"
SUITE = Path(__file__).parents[2] / "suites" / "first_tools"
SPEC = LMSpec(model="openai/acme", max_tokens=16)
SOUND = make_judge(
    "soundness",
    "Asked: {request}\nDone: {answer}\nSound or faulty?",
    spec=SPEC,
    scale={"sound": 1.0, "faulty": 0.0},
)


class Judging(Rehearsal):
    """A rehearsal whose model also judges: a call with arguments is sound."""

    def _answer(self, prompt: str) -> str:
        if prompt.endswith("Sound or faulty?"):
            return "faulty" if '"arguments": {}' in prompt else "sound"
        return super()._answer(prompt)


def text(scorers: str = SCORERS, metrics: str = "task_success, filled, sound, exact", rules: str = RULES) -> str:
    """The small experiment with scorers of its own."""
    named = TEXT.replace("[task_success, tool_choice, recall@1]", f"[{metrics}]")
    return named.replace("metrics:", f"{scorers}metrics:").replace("traces: 4", f"{rules}traces: 4")


WHOLE = text(SCORERS + f"suites: ['{SUITE}']\n")


def lay(folder: Path, judging: Judge = SOUND) -> Path:
    """The files that the scorers name, with an admission that the judge earned on eighty labelled answers."""
    sample = [
        Labelled(
            case=Case(case_id=f"c{n}", request="?", expected=ExpectedAnswer(answers=("x",)), cluster=f"k{n}"),
            episode=Episode(case_id=f"c{n}", prediction=Prediction(answer="xy"[n % 2]), milliseconds=0),
            sound=not n % 2,
        )
        for n in range(80)
    ]
    lm = scripted_lm(lambda prompt: "sound" if "Done: x" in prompt else "faulty", spec=SPEC)
    (folder / "judges").mkdir(parents=True, exist_ok=True)
    (folder / "checks.py").write_text(CODE)
    write_record(folder / "judges" / "sound.json", judging)
    write_record(folder / "judges" / "sound.admission.json", admit(judge_metric(SOUND, lm), sample))
    return folder


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the judge's model."""
    monkeypatch.setenv("ACME", "acme-0123456789")


@pytest.fixture(scope="module")
def scored(judged: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small experiment, scored by scorers of its own on the test and on a suite: copied, never changed."""
    folder = tmp_path_factory.mktemp("scored") / "copy"
    shutil.copytree(judged, folder)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ACME", "acme-0123456789")
        bench = bench_in(lay(folder), Judging(), text=WHOLE)
        stages.greet_models(bench)
        judge(bench)
        bench.store.close()
    return folder


def again(folder: Path, told: Told | None = None) -> tuple[Folders, int]:
    """The experiment over what the folder holds, and the calls that were really asked."""
    model = Judging()
    bench = bench_in(folder, model, text=WHOLE, progress=told or Told())
    folders = judge(bench)
    bench.store.close()
    return folders, model.engine.calls


def read(folder: Path, content: str) -> Experiment:
    (folder / "trial.yaml").write_text(content)
    return read_experiment(folder / "trial.yaml")


def tried(folders: Folders) -> Run:
    return read_run(folders.winner / "test")


def called(run: Run) -> dict[str, ToolCall | None]:
    return {episode.case_id: episode.prediction.call for episode in run.episodes if episode.prediction}


def test_an_experiment_is_scored_by_its_own_metrics(scored: Path) -> None:
    """In runs, reports and the verdict by the file's names; the judge's calls are in the ledger, under its name."""
    folders, _calls = again(scored)
    run = tried(folders)
    names = ("task_success", "filled", "sound", "exact")

    assert names == run.header.metrics
    assert set(names) == run.header.graders.keys()
    calls = called(run)
    expected = {(key, 0): float(call is not None and bool(call.arguments)) for key, call in calls.items()}
    assert expected == run.values("filled")
    judged = {key: value for key, value in run.values("sound").items() if value is not None}
    assert {(key, 0) for key, call in calls.items() if call} == judged.keys()
    assert judged == {key: expected[key] for key in judged}
    assert {None} == set(run.values("exact").values())
    lines = {line.name: line for line in summarize(run).lines}
    assert {*names} <= lines.keys()
    assert ["PASS", "PASS"] == [finding.status for finding in deciding.verdict_of(folders.gate).findings]

    store = CallStore(scored / "work" / "calls.db")
    ledger = store.frame(folders.winner.name)
    asked = ledger.filter(ledger["module"] == "judge:sound")
    store.close()
    assert (len(judged), {"openai/acme"}) == (asked.height, {*asked["model"]})
    assert {case_id for case_id, _ in judged} == {*asked["case_id"]}


def test_suites_are_scored_so_too(scored: Path) -> None:
    """Baseline and winner alike, besides the metrics that apply; the scripted model can do nothing there."""
    folders, _calls = again(scored)
    assert folders.suites is not None
    runs = [read_run(scored / "work" / "runs" / name) for name in deciding.suite_runs(folders.suites)]

    assert [("filled", "sound", "exact")] * 2 == [run.header.metrics[-3:] for run in runs]
    assert [{0.0}, {0.0}] == [{*run.values("filled").values()} for run in runs]


def test_what_is_unchanged_is_found_and_a_changed_scorer_grades_anew(scored: Path, tmp_path: Path) -> None:
    """One number in the scorer's file: new graders, no call to anybody; the same episodes."""
    folder, told = tmp_path / "moved", Told()
    shutil.copytree(scored, folder)
    before, asked = again(folder, told)
    assert ([], 0) == (told.made, asked)

    (folder / "checks.py").write_text(CODE.replace("LEAST = 1", "LEAST = 2"))
    after, asked = again(folder, told)

    assert ["baseline", "optimize", "winner", "suites", "evaluate", "evaluate", "gate"] == told.made
    assert 0 == asked
    old, new = tried(before), tried(after)
    changed = [name for name in old.header.metrics if old.header.graders[name] != new.header.graders[name]]
    assert ["filled"] == changed
    assert called(old) == called(new)
    assert sum(value or 0 for value in new.values("filled").values()) < sum(
        value or 0 for value in old.values("filled").values()
    )


def test_mlflow_shows_them_by_the_files_names(scored: Path, tracking_template: Path, tmp_path: Path) -> None:
    """Baseline and winner, on the test."""
    folder = tmp_path / "tracked"
    shutil.copytree(scored, folder)
    shutil.copytree(tracking_template, folder / "work", dirs_exist_ok=True)
    bench = bench_in(folder, Judging(), text=WHOLE)
    track(bench, judge(bench))
    bench.store.close()
    runs = read_runs(open_store(folder / "work"), "rehearsal")
    measured = runs.filter(runs["role"].is_in(["baseline", "winner"]))

    for name in ("test/filled", "test/sound"):
        assert 2 == measured.filter(measured["metric"] == name).height


def test_the_release_check_holds(scored: Path) -> None:
    """What others than our code scored is taken as it is."""
    folders, _calls = again(scored)
    today, file, workspace = date(2026, 11, 22), scored / "rehearsal.yaml", scored / "work"
    verdict, report = deciding.verdict_of(folders.gate), summarize(tried(folders))
    agree_gate(file, verdict, workspace, owner="lead", reason="looked at it", today=today)

    assert () == check_release(file, verdict, workspace, report=report, today=today).alarms


def test_a_judge_without_admission_scores_nothing_and_is_not_asked(folder: Path) -> None:
    """It is said before anything is spent, and each case carries the reason."""
    notes: list[str] = []

    class Noting(Told):
        def note(self, text: str) -> None:
            notes.append(text)

    bare = SCORERS.replace("admission: judges/sound.admission.json, ", "")
    model = Judging()
    bench = bench_in(lay(folder), model, text=text(bare, rules=""), progress=Noting())
    stages.greet_models(bench)
    said = list(notes)
    scores = [score for score in tried(judge(bench)).scores if score.metric == "sound"]
    bench.store.close()

    assert 0 == model.engine.calls
    assert ["scorer 'sound' will score nothing: is not admitted; let `admit` try it on a labelled sample"] == said
    assert {None} == {score.value for score in scores}
    assert all("judge 'sound': is not admitted" in score.reason for score in scores)
    assert "scorer 'exact': judges no ideal answer to a test case" in notes


def test_another_judge_does_not_hold_the_admission(tmp_path: Path) -> None:
    """One word of the prompt; a rule about it could never be met, so the file is wrong."""
    other = SOUND.model_copy(update={"prompt": SOUND.prompt.replace("Sound", "Truly sound")})
    lay(tmp_path, other)

    with pytest.raises(ConfigError, match=r"trial.yaml:22\): gate.1: scorer 'sound' would score nothing: holds the"):
        read(tmp_path, text())
    assert "sound" in read(tmp_path, text(rules="")).scored


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("mlflow:", "mlfow:", '(trial.yaml:16): scorers.filled.mlfow: is no field here; did you mean "mlflow"?'),
        ("{ragas: ExactMatch}", "{}", "(trial.yaml:17): scorers.exact: has nothing to score by; give exactly one"),
        (
            "{ragas: Ex",
            "{mlflow: a.py:b, ragas: Ex",
            "(trial.yaml:17): scorers.exact: has mlflow and ragas to score",
        ),
        ("checks.py:filled", "cheks.py:filled", "cheks.py): the file is missing"),
        ("checks.py:filled", "checks.py:filed", "there is no scorer 'filed'; did you mean \"filled\"?"),
        ("checks.py:filled", "checks.py:LEAST", "there is no scorer 'LEAST'; known: "),
        (
            "checks.py:filled",
            "acme_checks:filled",
            "scorers of module 'acme_checks': can't be imported: ModuleNot",
        ),
        ("checks.py:filled", "checks.py", "is not a place; write file.py:name or module:name"),
        ("checks.py:filled", "checks.py:asking", "asks a language model past the ledger; write a judge"),
        (
            '{mlflow: "checks.py:filled"}',
            '{mlflow: "checks.py:filled", lm: x/y}',
            "is code; leave lm and admission",
        ),
        ("  filled: {", "  answer_f1: {", "scorers.answer_f1: scorer 'answer_f1': has the name of a metric; rename it"),
        ("  filled: {", "  tokens: {", "scorers.tokens: scorer 'tokens': has the name of a cost; rename it"),
        (
            "ExactMatch",
            "ExactMtch",
            "scorers.exact: ragas metric 'ExactMtch': is unknown; did you mean \"ExactMat",
        ),
        ("ExactMatch", "Faithfulness", "asks a language model; give it one as lm"),
        ("ExactMatch", "ExactMatch, lm: embedded", "asks no language model; leave lm and admission out"),
        ("ExactMatch", "Faithfulness, lm: opnai", "lm 'opnai': is neither embedded nor provider/model"),
        ("judge: judges/sound.json", "judge: judges/sond.json", "sond.json': is missing"),
        ("sound.admission.json", "sound.json", "Admission ("),
        (
            "{model: openai/acme, key",
            "{model: openai/acme2, key",
            "another model, address or weights; set lm",
        ),
        (
            "key_env: ACME}",
            "key_env: ACME, base_url: 'http://x'}",
            "another model, address or weights; set lm",
        ),
        ("key_env: ACME}", "key_env: NO_SUCH_KEY}", "environment variable 'NO_SUCH_KEY' is empty; put the key there"),
        ("task_success, filled", "task_success, fillde", "metric 'fillde' is unknown; did you mean \"filled\"?"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_spent(old: str, new: str, expected: str, tmp_path: Path) -> None:
    """With file, line and field."""
    lay(tmp_path)
    assert old in text()
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, text().replace(old, new, 1))

    said = str(refused.value).replace(f"{tmp_path}/", "")
    assert "trial.yaml:1" in said
    assert expected in said


def test_code_that_breaks_is_the_files_fault(tmp_path: Path) -> None:
    """And not ours; the next read sees the file as it then is, in the same second, too."""
    lay(tmp_path)
    (tmp_path / "checks.py").write_text("1 / 0\n")
    with pytest.raises(ConfigError, match=r"scorers.filled: scorers \(.*checks.py\): can't be run: ZeroDivisionError"):
        read(tmp_path, text())
    (tmp_path / "checks.py").write_text(CODE)

    assert ["filled", "sound", "exact"] == list(read(tmp_path, text()).scored)


def test_a_scorer_that_no_metric_names_judges_nothing(tmp_path: Path) -> None:
    """It is checked all the same, and may not be in a rule."""
    lay(tmp_path)

    assert ["sound"] == list(read(tmp_path, text(metrics="task_success, sound")).scored)
    with pytest.raises(ConfigError, match="gate rule 'sound': no such metric is measured"):
        read(tmp_path, text(metrics="task_success"))


def test_an_experiment_without_scorers_loads_neither_mlflow_nor_ragas(tmp_path: Path) -> None:
    """They take seconds."""
    (tmp_path / "trial.yaml").write_text(TEXT)
    program = (
        "import json, sys; from pathlib import Path; from workbench.lab import read_experiment; "
        f"read_experiment(Path({str(tmp_path / 'trial.yaml')!r})); print(json.dumps([*sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert not {"mlflow", "ragas"} & {*json.loads(done.stdout)}
