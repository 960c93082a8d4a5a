"""Small real runs to measure on, and a PostgreSQL that all tests of a session share."""

from collections.abc import Callable, Iterator, Sequence

import pytest
from postgres_server import running

from workbench.core import Episode, Failure, Run, RunHeader, Score, Usage

Values = Sequence[float | None]
MakeRun = Callable[..., Run]


@pytest.fixture
def make_run() -> MakeRun:
    """A run of one metric, "m", from its values; unless told otherwise every case is a cluster of its own."""

    def make(
        values: Values,
        clusters: Sequence[str] | None = None,
        *,
        agent: str = "a",
        usages: Sequence[Usage] | None = None,
        failures: Sequence[Failure | None] | None = None,
    ) -> Run:
        names = [f"c{place}" for place in range(len(values))]
        return Run(
            header=RunHeader(
                agent=agent, agent_digest=f"digest-{agent}", evalset_digest="e" * 64, split="val", metrics=("m",)
            ),
            clusters=dict(zip(names, clusters or names, strict=True)),
            tags={name: ("even",) if place % 2 == 0 else () for place, name in enumerate(names)},
            episodes=tuple(
                Episode(
                    case_id=name,
                    prediction=None,
                    milliseconds=float(place),
                    usage=usages[place] if usages else Usage(),
                    failure=failures[place] if failures else None,
                )
                for place, name in enumerate(names)
            ),
            scores=tuple(
                Score(case_id=name, metric="m", value=value, reason="" if value is not None else "infrastructure: down")
                for name, value in zip(names, values, strict=True)
            ),
        )

    return make


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a server; whoever uses it makes a database or schema of its own, or takes away what it left."""
    with running() as url:
        yield url
