"""The front of a search as a plot; apart from `searching`, since plots come from the room that imports MLflow."""

from workbench.optimize import Front
from workbench.tracking import Mark, draw_front


def plot_front(front: Front, *, title: str) -> bytes:
    """Quality against the first cost, both with intervals; PNG."""
    marks = [
        Mark(label=str(point.trial), quality=point.values[0], cost=point.values[1], standing=point.standing)
        for point in front.points
    ]
    return draw_front(marks, title=title)
