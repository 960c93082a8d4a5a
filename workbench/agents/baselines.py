"""Baselines that calibrate metrics: one that knows everything, one that does nothing."""

from collections.abc import Iterable

from workbench.core import Case, Prediction, digest_json


class Oracle:
    """Answers every case as it expects; a metric must give it 1."""

    def __init__(self, cases: Iterable[Case]) -> None:
        """`cases` must have different requests: the oracle knows them by their text."""
        self._predictions = {case.request: case.expected.ideal() for case in cases}
        self.digest = digest_json(["oracle", *sorted(self._predictions)])

    def __call__(self, request: str) -> Prediction:
        """The right answer."""
        return self._predictions[request]


class Silent:
    """Says nothing, not even that it abstains; a metric must give it 0."""

    digest = digest_json(["silent"])

    def __call__(self, request: str) -> Prediction:
        """Nothing."""
        return Prediction()
