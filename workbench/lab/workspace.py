"""Where an experiment keeps what it made: a folder for each stage, named by the digest of what went in."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from workbench.core import Record, digest_json, read_record, short, write_record

DONE = "done.json"


class Progress(Protocol):
    """Who watches; a terminal, a flow, or nobody."""

    def stage(self, name: str, *, skipped: bool) -> None:
        """A stage begins, or is skipped since nothing that goes into it has changed."""

    def advance(self, done: int, total: int) -> None:
        """So much of the stage is done."""

    def note(self, text: str) -> None:
        """Something a person should know."""


class Quiet:
    """Nobody watches."""

    def stage(self, name: str, *, skipped: bool) -> None:
        """Says nothing."""

    def advance(self, done: int, total: int) -> None:
        """Says nothing."""

    def note(self, text: str) -> None:
        """Says nothing."""


class Done(Record):
    """Written last into a stage's folder: what it was made from."""

    stage: str
    inputs: dict[str, JsonValue]


@dataclass(frozen=True)
class Workspace:
    """The folder that holds stages, calls and the tracking store."""

    folder: Path
    progress: Progress = field(default_factory=Quiet)

    @property
    def calls(self) -> Path:
        """The call store: every answer paid for, and the ledger."""
        return self.folder / "calls.db"

    def path(self, stage: str, inputs: dict[str, JsonValue]) -> Path:
        """The folder of a stage over these inputs; another input is another folder."""
        return self.folder / "stages" / f"{stage}-{short(digest_json({'stage': stage, **inputs}))}"

    def once(self, stage: str, inputs: dict[str, JsonValue], make: Callable[[Path], None]) -> Path:
        """The stage's folder, made by `make` unless it is there already.

        `make` is given the folder to fill and finds there what an interrupted attempt left; a stage counts
        as done only when its marker is written, after everything else.
        """
        folder = self.path(stage, inputs)
        done = (folder / DONE).exists()
        self.progress.stage(stage, skipped=done)
        if not done:
            folder.mkdir(parents=True, exist_ok=True)
            make(folder)
            write_record(folder / DONE, Done(stage=stage, inputs=inputs))
        return folder


class Shipped(Record):
    """What a stage put outside its folder: runs in the tracking store, a package."""

    mlflow_run: str
    baseline_run: str = ""
    winner_run: str = ""
    package: Path | None = None

    @classmethod
    def read(cls, path: Path) -> "Shipped":
        """What the stage wrote."""
        return read_record(path, cls)
