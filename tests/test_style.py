"""The whole project is formatted, linted and typed, and what its files tell people to type exists."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workbench.cli.main import app

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
TYPED = [name for name in ("workbench", "pipelines", "benchmarks", "experiments") if (ROOT / name).is_dir()]


@pytest.mark.parametrize(
    "command",
    [("ruff", "format", "--check", "."), ("ruff", "check", "."), ("mypy", *TYPED)],
    ids=("formatted", "linted", "typed"),
)
def test_the_project_is_clean(command):
    """The tools find nothing."""
    done = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stdout + done.stderr


def test_every_experiment_file_can_be_run():
    """`workbench experiment check` passes on all that is in experiments/."""
    files = sorted(map(str, (ROOT / "experiments").glob("*.yaml")))
    result = CliRunner().invoke(app, ["experiment", "check", *files])

    assert files
    assert (0, "") == (result.exit_code, result.stderr)


def told_commands() -> list[str]:
    """Every command line of ours that the README tells people to type."""
    blocks = re.findall(r"```(?:bash|sh)\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line.split("uv run workbench", 1)[1].strip() for line in lines if "uv run workbench" in line]


def test_the_readme_tells_commands_that_exist():
    """Each `uv run workbench …` of the README names a command, with arguments and options that it takes."""
    unknown = []
    for line in told_commands():
        words = shlex.split(line, comments=True)
        path = command_path(words)
        result = CliRunner().invoke(app, [*path, "--help"])
        options = [word.split("=")[0] for word in words if word.startswith("--")]
        if result.exit_code or any(option not in result.output for option in options):
            unknown.append(line)

    assert [] == unknown


def command_path(words: list[str]) -> list[str]:
    """The words that name a command: one, or two if the first is a noun with verbs."""
    nouns = {
        "report",
        "experiment",
        "suite",
        "eval",
        "review",
        "kpi",
        "data",
        "gate",
        "package",
        "runs",
        "calls",
        "corpus",
        "index",
        "optimize",
        "judgments",
        "callers",
        "approvals",
        "audit",
        "policy",
        "tools",
    }
    return words[:2] if words and words[0] in nouns else words[:1]
