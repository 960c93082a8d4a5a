"""The tracking store: one folder with an SQLite database and the artifacts."""

import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from workbench.core import Record, TrackingError, boundary
from workbench.safety import Redactor, environment_secrets

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Store:
    """An open tracking store. Safe under threads."""

    folder: Path
    client: MlflowClient
    redactor: Redactor
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    """Held while something is looked for and created, so that it is created once."""

    @property
    def uri(self) -> str:
        """MLflow's address of the database."""
        return _uri(self.folder)

    @property
    def rows(self) -> SqlAlchemyStore:
        """MLflow's own store, for writing many rows in one transaction."""
        store = self.client._tracking_client.store  # MLflow has no public batch call
        assert isinstance(store, SqlAlchemyStore)
        return store

    def clean(self, record: R) -> R:
        """The record with every text in it redacted.

        Raises: TrackingError if it is no longer such a record then; nothing of it was written.
        """
        with boundary(TrackingError, f"{type(record).__name__}: does not survive redaction"):
            return type(record).model_validate(self.redactor.json(record.model_dump(mode="json")))

    def clean_texts(self, texts: Mapping[str, str]) -> dict[str, str]:
        """The mapping with names and values redacted."""
        return {self.redactor.text(name): self.redactor.text(text) for name, text in texts.items()}


def open_store(folder: Path) -> Store:
    """Open a folder's store; the first time it is created, which takes about ten seconds.

    Secrets in this process's environment are kept out of everything that is written through it.
    Raises: TrackingError if the folder can't be written or holds a database of another version.
    """
    folder = folder.resolve()
    with boundary(TrackingError, f"tracking store {str(folder)!r}: can't be opened"):
        (folder / "artifacts").mkdir(parents=True, exist_ok=True)
        client = MlflowClient(tracking_uri=_uri(folder), registry_uri=_uri(folder))
        client.search_experiments(max_results=1)
    return Store(folder=folder, client=client, redactor=Redactor(environment_secrets()))


def ui_command(folder: Path, *, host: str = "127.0.0.1", port: int = 5000) -> tuple[str, ...]:
    """The command that shows a folder's store in a browser at http://host:port."""
    folder = folder.resolve()
    artifacts = (folder / "artifacts").as_uri()
    return (
        *(sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", host, "--port", str(port)),
        *("--backend-store-uri", _uri(folder), "--default-artifact-root", artifacts),
    )


def _uri(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"
