"""Is an answer attributable to its source? A scorer without a model call, and the rate it gives once corrected.

    python -m benchmarks.groundedness [--quick] [--plot FILE] [--scorer FILE] [--json FILE]

- Trained on nothing but the dev part of BEGIN's Wizard of Wikipedia answers; penalty and threshold come from dev
  alone. The test part is scored once, and every figure below rests on those scores.
- Attributable is "Fully attributable". "Not fully attributable" and "Generic" (none in dev, 6 in test) are not: the
  question is whether the source supports all that is said, and something vague is not supported.
- Answers a second: the metric as an evaluation calls it, case and episode in, score out, one process, one at a time.
- Coverage: a labelled sample and a target sample are drawn from the test part with replacement, 2,000 times; the true
  rate of answers that are not attributable is that of the whole test part, or as stated. The target is for every
  design that corrects; the last one shows what the uncorrected rate would claim.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.shared_data import shared
from workbench.core import (
    Case,
    DataError,
    Episode,
    ExpectedAnswer,
    Prediction,
    Step,
    WorkbenchError,
    digest_file,
    integer,
    write_record,
)
from workbench.evals.admission import agree
from workbench.evals.corrected import calibrate, corrected_rate
from workbench.evals.groundedness import AttributionScorer, Example, Groundedness, Provenance, train
from workbench.evals.groundedness_features import Pair
from workbench.evals.interval import codes, share_interval
from workbench.evals.reliability import Reliability, reliability
from workbench.evals.table import render_table

DEV, TEST = "begin_wow/begin_dev_wow.tsv", "begin_wow/begin_test_wow.tsv"
LICENCE = "CC BY 4.0"
ATTRIBUTION = "Dziri, Rashkin, Linzen & Reitter 2022, BEGIN (Wizard of Wikipedia part)"
COLUMNS = ("knowledge", "message", "response", "begin_label")
LABELS = {"Fully attributable": True, "Not fully attributable": False, "Generic": False}
LEAST_BALANCED = 0.87
LEAST_PER_SECOND = 200.0
COVERAGE = (0.93, 0.97)
SEED = 3
RESAMPLES = 2_000

Bools = NDArray[np.bool_]
Drawer = Callable[[np.random.Generator], NDArray[np.int64]]


@dataclass(frozen=True)
class Figure:
    """Something measured beside what it must be; no target is for information."""

    name: str
    value: float
    target: str = ""
    met: bool | None = None


class Judged(NamedTuple):
    """The test part: what people say, and what the scorer says."""

    faulty: Bools
    flagged: Bools
    sources: NDArray[np.str_]
    probabilities: NDArray[np.float64]


class Design(NamedTuple):
    """How one experiment on coverage draws its samples."""

    name: str
    labelled: Drawer
    target: Drawer
    truth: float
    clustered: bool = False
    corrected: bool = True


def read_begin(path: Path) -> tuple[Example, ...]:
    """The labelled answers of a file of BEGIN, in its order.

    Raises: DataError with the line for a row that has other columns or labels.
    """
    lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    header = lines[0].split("\t")
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise DataError(f"file {path.name!r}: lacks column {missing[0]!r}; get it anew")
    places = [header.index(name) for name in COLUMNS]
    examples = []
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split("\t")
        if len(cells) != len(header) or cells[places[3]] not in LABELS:
            raise DataError(f"row ({path.name}:{number}): has {len(cells)} cells, or a label that is none; get it anew")
        source, request, answer, label = (cells[place] for place in places)
        examples.append(Example(request=request, answer=answer, source=source, attributable=LABELS[label]))
    return tuple(examples)


def learn() -> AttributionScorer:
    """The scorer, from the dev part."""
    path = shared(DEV)
    examples = read_begin(path)
    provenance = Provenance(
        name=Path(DEV).name,
        sha256=digest_file(path),
        licence=LICENCE,
        attribution=ATTRIBUTION,
        examples=len(examples),
    )
    return train(examples, provenance)


def throughput(scorer: AttributionScorer, examples: Sequence[Example]) -> float:
    """Answers a second through the metric, episodes as an answering agent leaves them."""
    metric = Groundedness(scorer, {str(place): example.source for place, example in enumerate(examples)})
    tried = [(_case(place, example), _episode(place, example)) for place, example in enumerate(examples)]
    began = time.perf_counter()
    for case, episode in tried:
        metric(case, episode)
    return len(tried) / (time.perf_counter() - began)


def _case(place: int, example: Example) -> Case:
    expected = ExpectedAnswer(answers=("?",))
    return Case(case_id=str(place), request=example.request or "?", expected=expected, cluster=str(place))


def _episode(place: int, example: Example) -> Episode:
    found = Step(
        name="retrieve_passages",
        kind="retriever",
        inputs={"query": example.request},
        outputs={"documents": [str(place)]},
        start_milliseconds=0,
        milliseconds=0,
    )
    return Episode(case_id=str(place), prediction=Prediction(answer=example.answer, steps=(found,)), milliseconds=0)


def judge(scorer: AttributionScorer, examples: Sequence[Example]) -> Judged:
    """What the scorer says of the examples; looked at once."""
    probabilities = scorer.probabilities([Pair(one.answer, one.source, one.request) for one in examples])
    return Judged(
        faulty=np.array([not one.attributable for one in examples]),
        flagged=probabilities < scorer.threshold,
        sources=np.array([one.source.lower() for one in examples]),
        probabilities=probabilities,
    )


def designs(judged: Judged) -> tuple[Design, ...]:
    """Few and many labels, rarer faults, whole sources instead of single answers, and no correction."""
    everyone, rate = np.arange(len(judged.faulty)), float(judged.faulty.mean())
    labelled, target = _rows(everyone, 300), _rows(everyone, 500)
    rare = (_mixed(judged.faulty, 500, 0.05), _mixed(judged.faulty, 500, 0.2))
    groups = codes([str(source) for source in judged.sources])
    members = [np.flatnonzero(groups == number) for number in range(int(groups.max()) + 1)]
    return (
        Design("300 labelled, 500 in use", labelled, target, rate),
        Design("100 labelled, 500 in use", _rows(everyone, 100), target, rate),
        Design("300 labelled, 2,000 in use", labelled, _rows(everyone, 2_000), rate),
        Design("300 labelled, 500 in use, 20 % faulty", labelled, rare[1], 0.2),
        Design("300 labelled, 500 in use, 5 % faulty", labelled, rare[0], 0.05),
        Design(
            "sources: 120 labelled, 200 in use", _sources(members, 120), _sources(members, 200), rate, clustered=True
        ),
        Design("uncorrected, 500 in use, 20 % faulty", labelled, rare[1], 0.2, corrected=False),
    )


def coverage(design: Design, judged: Judged, resamples: int) -> float:
    """The share of resamples in which the nominal 95 % interval holds the true rate."""
    stream = np.random.default_rng(integer(SEED, design.name))
    held = 0
    for _ in range(resamples):
        labelled, used = design.labelled(stream), design.target(stream)
        low, high = _interval(design, judged, labelled, used)
        held += low is not None and high is not None and low <= design.truth <= high
    return held / resamples


def _interval(
    design: Design, judged: Judged, labelled: NDArray[np.int64], used: NDArray[np.int64]
) -> tuple[float | None, float | None]:
    flagged = judged.flagged[used]
    if not design.corrected:
        return share_interval(flagged.astype(np.float64), np.arange(len(used)), 0.05)
    names = judged.sources if design.clustered else None
    calibration = calibrate(
        judged.faulty[labelled].tolist(),
        judged.flagged[labelled].tolist(),
        None if names is None else names[labelled].tolist(),
    )
    clusters = None if names is None else names[used].tolist()
    rate = corrected_rate(flagged.tolist(), calibration, clusters=clusters)
    return rate.low, rate.high


def _rows(among: NDArray[np.int64], size: int) -> Drawer:
    return lambda stream: stream.choice(among, size)


def _mixed(faulty: Bools, size: int, rate: float) -> Drawer:
    """Answers of which each is faulty with the chance `rate`."""
    bad, good = np.flatnonzero(faulty), np.flatnonzero(~faulty)

    def draw(stream: np.random.Generator) -> NDArray[np.int64]:
        count = int(stream.binomial(size, rate))
        return np.concatenate([stream.choice(bad, count), stream.choice(good, size - count)])

    return draw


def _sources(members: Sequence[NDArray[np.int64]], size: int) -> Drawer:
    """All answers of `size` sources."""
    return lambda stream: np.concatenate([members[place] for place in stream.integers(len(members), size=size)])


def measure(scorer: AttributionScorer, judged: Judged, examples: Sequence[Example], resamples: int) -> list[Figure]:
    """Everything that is printed."""
    found = agree(judged.faulty.tolist(), judged.flagged.tolist(), judged.sources.tolist())
    balanced, low, high = (_known(value) for value in (found.balanced, found.low, found.high))
    own, speed = scorer.calibration, throughput(scorer, examples)
    figures = [
        Figure("balanced accuracy", balanced, f"at least {LEAST_BALANCED:g}", balanced >= LEAST_BALANCED),
        Figure("  its 95 % interval by source: low", low),
        Figure("  high", high),
        Figure("  sensitivity (not attributable is flagged)", _known(found.sensitivity)),
        Figure("  specificity (attributable is passed)", _known(found.specificity)),
        Figure("  on dev, cross-validated by source", (_known(own.caught.share) + _known(own.passed.share)) / 2),
        Figure("answers a second", speed, f"at least {LEAST_PER_SECOND:g}", speed >= LEAST_PER_SECOND),
    ]
    target = f"{COVERAGE[0]:.0%} to {COVERAGE[1]:.0%}"
    for design in designs(judged):
        covered, name = coverage(design, judged, resamples), f"coverage: {design.name}"
        inside = COVERAGE[0] <= covered <= COVERAGE[1]
        figures.append(Figure(name, covered, target, inside) if design.corrected else Figure(name, covered))
    return figures


def _known(value: float | None) -> float:
    assert value is not None, "both parts have both kinds of answers"
    return value


def draw(found: Reliability, path: Path) -> None:
    """The reliability diagram as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure as Canvas  # noqa: PLC0415

    canvas = Canvas(figsize=(6.0, 6.0), dpi=110, layout="constrained")
    FigureCanvasAgg(canvas)
    axes = canvas.add_subplot()
    axes.plot([0, 1], [0, 1], color="#9ca3af", linewidth=1)
    axes.plot([one.probability for one in found.bins], [one.share for one in found.bins], "o-", color="#1d4ed8")
    for one in found.bins:
        at = (one.probability, one.share)
        axes.annotate(f"n={one.answers}", at, xytext=(8, -4), textcoords="offset points", fontsize=8)
    axes.set_xlabel("probability of being attributable, as the scorer says")
    axes.set_ylabel("share of attributable answers, as people say")
    axes.set_title(f"BEGIN (WoW) test, {found.answers} answers: ECE {found.ece:.3f}, Brier {found.brier:.3f}")
    canvas.savefig(path, format="png", metadata={"Software": None})


def render(figures: Sequence[Figure]) -> str:
    """The table."""
    words = {True: "met", False: "MISSED", None: ""}
    rows = [(one.name, f"{one.value:,.3f}", one.target, words[one.met]) for one in figures]
    return render_table(("figure", "measured", "target", ""), rows)


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.groundedness", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="500 resamples instead of 2,000")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the reliability diagram there, as PNG")
    parser.add_argument("--scorer", type=Path, metavar="FILE", help="write the trained scorer there, as JSON")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    try:
        scorer, examples = learn(), read_begin(shared(TEST))
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return 2
    judged, resamples = judge(scorer, examples), 500 if options.quick else RESAMPLES
    figures = measure(scorer, judged, examples, resamples)
    calibrated = reliability(judged.probabilities.tolist(), (~judged.faulty).tolist())
    figures += [Figure("expected calibration error (10 bins)", calibrated.ece), Figure("Brier score", calibrated.brier)]
    print(f"attribution scorer: {scorer.trained_on.examples} answers to learn from, {len(examples)} to be measured on")
    print(f"recorded answers of four dialogue models; {LICENCE}, {ATTRIBUTION}; {resamples:,} resamples")
    print(render(figures))
    if options.plot is not None:
        draw(calibrated, options.plot)
    if options.scorer is not None:
        write_record(options.scorer, scorer)
    met = all(one.met is not False for one in figures)
    if options.json is not None:
        result = {"met": met, "resamples": resamples, "figures": [asdict(one) for one in figures]}
        options.json.write_text(json.dumps(result | {"reliability": calibrated.model_dump()}, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
