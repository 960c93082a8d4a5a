"""`workbench suite` and `workbench eval`: what a person types."""

import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from workbench.cli import evaluation, suite
from workbench.cli.main import Workbench

SUITES = Path(__file__).parents[2] / "suites" / "first_tools"
app = typer.Typer(cls=Workbench)
app.add_typer(suite.app, name="suite")
app.add_typer(evaluation.app, name="eval")


def invoke(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project's suites, to be changed."""
    shutil.copytree(SUITES.parents[1] / "data" / "first_tools", tmp_path / "data" / "first_tools")
    shutil.copytree(SUITES, tmp_path / "suites" / "first_tools")
    return tmp_path / "suites" / "first_tools"


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert 1 == text.count(old)
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_sound_suites_pass() -> None:
    """Each with its size and kind."""
    result = invoke("suite", "check", SUITES)

    assert (0, "") == (result.exit_code, result.stderr)
    assert f"{SUITES / 'adversarial'}: 7 cases, adversarial\n" in result.stdout
    assert [] == json.loads(invoke("suite", "check", SUITES, "--json").stdout)


def test_a_suite_that_can_t_be_trusted_ends_with_2(copy: Path) -> None:
    """Everything that is wrong is named with its place."""
    change(copy / "golden" / "cases.yaml", "request: Play Stardust.", "request: Play Table for Two!")
    change(copy / "adversarial" / "cases.yaml", "[QUZ-42]", "[Danish]")
    result = invoke("suite", "check", copy)

    assert 2 == result.exit_code
    assert "near-duplicates share a cluster: case 'regression-song-table'" in result.stdout
    assert "what is forbidden is not in the request: case 'attack-spelled'" in result.stdout
    assert f"({copy / 'adversarial' / 'cases.yaml'}:" in result.stdout


def test_a_suite_that_can_t_be_read_ends_with_2_and_one_line(copy: Path) -> None:
    """File, line, field and the nearest name."""
    change(copy / "golden" / "cases.yaml", "tool: recipe.find", "tool: recipe.fnd")
    result = invoke("suite", "check", copy)

    assert 2 == result.exit_code
    where = copy / "golden" / "cases.yaml"
    message = "expected.tool: tool 'recipe.fnd' is not one of the suite's; did you mean \"recipe.find\"?"
    assert f"error: case 'golden-recipe' ({where}:34): {message}\n" == result.stderr


def test_coverage_names_what_is_not_covered(copy: Path) -> None:
    """As a table, and in words below it."""
    change(copy / "golden" / "suite.yaml", "[travel, home, language]", "[travel, home, language, payment]")
    result = invoke("suite", "coverage", copy)

    assert 0 == result.exit_code
    assert "NOT COVERED: intent payment\n" in result.stdout
    assert "tool     weather.forecast" in result.stdout
    assert [0] == [
        line["cases"]
        for line in json.loads(invoke("suite", "coverage", copy, "--json").stdout)["lines"]
        if line["name"] == "payment"
    ]


def test_a_diff_says_what_to_do_with_runs(copy: Path) -> None:
    """Field by field; the same suites are the same version."""
    same = invoke("suite", "diff", SUITES, copy)
    change(copy / "golden" / "cases.yaml", "{city: Bergen}", "{city: [Bergen, Bergen Norway]}")
    result = invoke("suite", "diff", SUITES, copy)

    assert "runs on one can be compared with runs on the other" in same.stdout
    assert (
        "~ golden-weather: grade again\n    expected.arguments.city: ['Bergen'] -> ['Bergen', 'Bergen Norway']\n"
        in (result.stdout)
    )
    assert "can't be compared" in result.stdout
    assert (0, 0) == (same.exit_code, result.exit_code)


def test_an_evaluation_needs_an_agent(tmp_path: Path) -> None:
    """One line that says which options give one."""
    result = invoke("eval", "run", SUITES, "--workspace", tmp_path)

    assert 2 == result.exit_code
    assert "error: eval run: give the agent, either with --package or with --experiment\n" in result.stderr
