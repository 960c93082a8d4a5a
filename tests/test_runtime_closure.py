"""What the base install brings: the runtime, and nothing of the lab."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAB = ("mlflow", "prefect", "ragas", "jupyterlab", "scipy", "matplotlib", "optuna-dashboard", "torch", "pandas")


def closure(name: str) -> set[str]:
    """Every package that the lock installs for `name` without any extra, on whatever platform."""
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    needs = {package["name"]: [item["name"] for item in package.get("dependencies", [])] for package in packages}
    found: set[str] = set()
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += needs[one]
    return found


@pytest.mark.parametrize("package", LAB)
def test_the_base_install_holds_nothing_of_the_lab(package: str) -> None:
    """Whoever installs the runtime gets no tracking, no orchestration, no notebooks, no plots."""
    assert package not in closure("workbench")


def test_the_base_install_serves() -> None:
    """The walk through the lock finds what it must."""
    assert {"dspy", "fastapi", "xllamacpp", "onnxruntime"} <= closure("workbench")
