"""The plot of a front: the same marks, the same bytes; what surely stands otherwise looks otherwise."""

import pytest

from workbench.core import Line
from workbench.tracking.plots import Mark, draw_front


def line(name: str, estimate: float, *, unit: str) -> Line:
    """A measured value with an interval around it."""
    kind = "score" if unit == "1" else "cost"
    bounds = {"low": 0.9 * estimate, "high": 1.1 * estimate}
    return Line.model_validate(
        {
            "name": name,
            "kind": kind,
            "unit": unit,
            "estimate": estimate,
            **bounds,
            "cases": 40,
            "unscored": 0,
            "clusters": 9,
        }
    )


def mark(label: str, quality: float, tokens: float, standing: str) -> Mark:
    """A candidate."""
    fields = {"quality": line("task_success", quality, unit="1"), "cost": line("tokens", tokens, unit="tokens")}
    return Mark.model_validate({"label": label, "standing": standing, **fields})


@pytest.mark.parametrize("standing", ["on", "perhaps", "off"])
def test_the_plot_shows_where_each_candidate_stands(standing: str) -> None:
    """A PNG, bit for bit the same for the same marks."""
    marks = [mark("start", 0.3, 100, "on"), mark("7", 0.2, 400, standing)]
    drawn = draw_front(marks, title="Front on val")

    assert drawn.startswith(b"\x89PNG")
    assert drawn == draw_front(marks, title="Front on val")
    assert (standing == "on") == (drawn == draw_front([marks[0], mark("7", 0.2, 400, "on")], title="Front on val"))
