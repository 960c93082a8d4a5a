"""Metrics of an experiment's own: the scorers that its file names, each behind one door.

A scorer is code that was written for MLflow, a metric of ragas, or a judge. Whoever asks a language model is a judge:
it is asked through the call store like an agent, and scores nothing until an admission on people's labels is laid
beside it. MLflow and ragas take seconds to import, so that happens where a scorer is opened.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import Field, field_validator, model_validator

from workbench.core import ConfigError, Record, read_record, short
from workbench.evals import COSTS, METRICS, Admission, Guarded, Judge, Metric, judge_metric, ragas_metric
from workbench.lms import LMSpec, check, identity, scripted_lm

if TYPE_CHECKING:
    import dspy

DOORS = ("mlflow", "ragas", "judge")
AT_LENGTH = 1024
"""Most tokens of a judge's answer where its model is given by name alone: ragas asks for lists of reasons."""


class Scorer(Record):
    """A metric of the experiment's own, behind exactly one door; paths go from the experiment file."""

    mlflow: str | None = Field(default=None, min_length=1)
    """A scorer of MLflow that is code: file.py:name, or module:name of what is installed."""
    ragas: str | None = Field(default=None, min_length=1)
    """A metric of `ragas.metrics.collections` that an episode can fill in."""
    judge: Path | None = None
    """A file with a `Judge` as JSON."""
    lm: LMSpec | None = None
    """Whom ragas's metric asks, or where the judge's model listens; its name alone lets it answer at length."""
    admission: Path | None = None
    """A file with the `Admission` of the judge, or of the metric that asks, as JSON."""

    @field_validator("lm", mode="before")
    @classmethod
    def _one_line(cls, value: object) -> object:
        return {"model": value, "max_tokens": AT_LENGTH} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_door(self) -> "Scorer":
        given = [door for door in DOORS if getattr(self, door) is not None]
        if len(given) != 1:
            raise ValueError(f"has {' and '.join(given) or 'nothing'} to score by; give exactly one of {list(DOORS)}")
        if self.mlflow is not None and (self.lm or self.admission):
            raise ValueError("a scorer of MLflow is code; leave lm and admission out, or write a judge")
        return self

    def seen_from(self, folder: Path) -> "Scorer":
        """The same scorer with its paths led through the folder of its experiment file."""
        where, _, name = (self.mlflow or "").rpartition(":")
        return self.model_copy(
            update={
                "mlflow": f"{folder / where}:{name}" if where.endswith(".py") else self.mlflow,
                "judge": folder / self.judge if self.judge else None,
                "admission": folder / self.admission if self.admission else None,
            }
        )


class Standing(NamedTuple):
    """What is known of a scorer before it is used."""

    asks: LMSpec | None
    """The model that it asks; None if it asks none."""
    objection: str
    """Why it will score nothing; empty if it scores."""


def open_scorer(
    name: str, scorer: Scorer, *, connect: Callable[[LMSpec], "dspy.LM"], texts: Mapping[str, str]
) -> Metric:
    """The scorer as a metric of that name; `texts` gives the text of each document that an agent may retrieve.

    Raises: WorkbenchError of some room if it can't be had: an unknown name, a missing file, code that can't be run, a
    model that is lacking or another than the judge's.
    """
    if scorer.mlflow is not None:
        # MLflow takes seconds to import: an experiment without its scorers need not wait for it.
        from workbench.tracking import load_scorer  # noqa: PLC0415

        return load_scorer(scorer.mlflow, called=name)
    admission = read_record(scorer.admission, Admission) if scorer.admission else None
    asks = _asks(scorer)
    lm = connect(asks) if asks else None
    if scorer.judge is not None:
        assert lm is not None, "a judge asks"
        return judge_metric(read_record(scorer.judge, Judge), lm, admission=admission, texts=texts, called=name)
    assert scorer.ragas is not None, "a scorer has a door"
    opened = ragas_metric(scorer.ragas, lm=lm, admission=admission, texts=texts, called=name)
    if not isinstance(opened, Guarded) and (scorer.lm or admission):
        raise ConfigError(f"ragas metric {scorer.ragas!r}: asks no language model; leave lm and admission out")
    return opened


def examine(name: str, scorer: Scorer) -> Standing:
    """Open a scorer for a look: nothing is fetched, connected or paid.

    Raises: ConfigError if the name is taken or a key is missing; whatever `open_scorer` raises.
    """
    if name in METRICS or name in COSTS:
        raise ConfigError(f"scorer {name!r}: has the name of a {'metric' if name in METRICS else 'cost'}; rename it")
    asks = _asks(scorer)
    if asks is not None:
        check(asks)
    opened = open_scorer(name, scorer, connect=_stand_in, texts={})
    return Standing(asks, opened.objection if isinstance(opened, Guarded) else "")


def _asks(scorer: Scorer) -> LMSpec | None:
    """The model that a scorer asks, as the judge's file says it is asked."""
    if scorer.judge is None:
        return scorer.lm
    judge = read_record(scorer.judge, Judge)
    asked = {"model": judge.model} if scorer.lm is None else scorer.lm.model_dump()
    spec = LMSpec.model_validate({**asked, "temperature": judge.temperature, "max_tokens": judge.max_tokens})
    if identity(spec) != judge.model_identity:
        raise ConfigError(
            f"judge {judge.name!r} ({scorer.judge}): asks {judge.model!r} ({short(judge.model_identity)}), and "
            f"{spec.model!r} here is {short(identity(spec))}: another model, address or weights; set lm to its own"
        )
    return spec


def _stand_in(spec: LMSpec) -> "dspy.LM":
    """Has the model's name and settings, and nobody behind it."""
    return scripted_lm(lambda _prompt: "", spec=spec)
