"""What a person did wrong ends with 2 and one line that says what to do; a gate's no ends with 1."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from workbench.cli.main import app

EXPERIMENT = """question: Does it help?
data: {set: bfcl_v4, val: 12}
agent: {index: {retriever: bm25}}
optimize: {using: [random_search], budget: {calls: 200}}
metrics: [task_success]
gate:
  - {metric: task_success, at_least: 0.5}
"""


def invoke(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "metrics:",
            "metricks:",
            'experiment ({file}:5): metricks: is no field here; did you mean "metrics"?',
        ),
        (
            "[task_success]",
            "[taks_success]",
            "experiment 'small' ({file}:5): metrics.0: metric 'taks_success' is unknown; "
            'did you mean "task_success"?',
        ),
        (
            "set: bfcl_v4",
            "set: bfcl_v5",
            "experiment 'small' ({file}:2): data.set: data set 'bfcl_v5' ({registry}): is not in the registry; "
            'did you mean "bfcl_v4"?',
        ),
        (
            "calls: 200",
            "calls: 3",
            "experiment 'small' ({file}:4): optimize.budget.calls: "
            "3 calls can't try one candidate on 12 validation cases",
        ),
    ],
    ids=("misspelt field", "unknown metric", "missing data set", "impossible budget"),
)
def test_a_wrong_experiment_file(tmp_path, old, new, message):
    """File, line, field, what is wrong and the nearest known name, on one line."""
    file = tmp_path / "small.yaml"
    file.write_text(EXPERIMENT.replace(old, new))
    registry = Path(__file__).parents[2] / "data" / "registry.yaml"
    result = invoke("experiment", "check", str(file))

    assert f"error: {message.format(file=file, registry=registry)}\n" == result.stderr
    assert (2, "") == (result.exit_code, result.stdout)


def test_a_sound_experiment_file(tmp_path):
    """It is fine, and says what it asks."""
    file = tmp_path / "small.yaml"
    file.write_text(EXPERIMENT)
    result = invoke("experiment", "check", str(file))

    assert (0, f"{file}: fine; Does it help?\n", "") == (result.exit_code, result.stdout, result.stderr)


def test_an_experiment_that_is_not_there(tmp_path):
    """The nearest file beside it is named."""
    (tmp_path / "small.yaml").write_text(EXPERIMENT)
    file = tmp_path / "smal.yaml"
    result = invoke("experiment", "check", str(file))

    assert f'error: experiment {str(file)!r}: is missing; did you mean "small"?\n' == result.stderr
    assert 2 == result.exit_code


def test_a_key_is_not_said_aloud(tmp_path, monkeypatch):
    """An error that quotes a file with a key in it shows [secret] in its place."""
    monkeypatch.setenv("PROVIDER_API_KEY", "kq7-hunter2-hunter2")
    file = tmp_path / "small.yaml"
    file.write_text(EXPERIMENT.replace("bfcl_v4", "kq7-hunter2-hunter2"))
    result = invoke("experiment", "check", str(file))

    assert 2 == result.exit_code
    assert "hunter2" not in result.stderr
    assert "[secret]" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("report", "show"), "holds no outcome; run an experiment first"),
        (("report", "compare", "a", "b"), "holds no run; run an experiment or a suite first"),
        (("report", "html"), "holds no outcome; run an experiment first"),
        (("gate", "show"), "holds no outcome; run an experiment first"),
        (("calls", "show"), "holds no calls; run an experiment first"),
        (("calls", "misses"), "holds no calls; run an experiment first"),
        (("runs", "list"), "holds no tracking store; run an experiment first"),
        (("ui",), "holds no tracking store; run an experiment first"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_empty_workspace(tmp_path, words, message):
    """Whoever asks for what was never made is told how to make it, and nothing is created."""
    result = invoke(*words, "--workspace", str(tmp_path / "mlruns"))

    assert (2, f"error: workspace {str(tmp_path / 'mlruns')!r}: {message}\n") == (result.exit_code, result.stderr)
    assert not (tmp_path / "mlruns").exists()


@pytest.mark.parametrize("verb", ["verify", "show"])
def test_a_package_that_is_none(tmp_path, verb):
    """There is no package where nothing is."""
    result = invoke("package", verb, str(tmp_path / "none.agentpkg"))

    assert 2 == result.exit_code
    assert result.stderr.startswith("error: package ")


def test_an_unknown_command():
    """The nearest one is named."""
    result = invoke("pakage")

    assert 2 == result.exit_code
    assert "package" in result.stderr


def test_the_schema_describes_every_field():
    """What may stand in an experiment file is said by the program itself."""
    result = invoke("experiment", "schema")

    assert 0 == result.exit_code
    assert '"description": "Optimizers, in order; each starts from what the one before it leaves."' in result.stdout
