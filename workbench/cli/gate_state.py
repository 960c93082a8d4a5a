"""What gates remember and write down, opened by the names that a person types."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from workbench.tools import ChainedLog, Gate, Policy, State, Tool

STATE = 'The state of the gate: a file, or a URL such as "postgresql://app@db/gates", whose password libpq looks up.'
Seal = Annotated[
    Path | None, typer.Option(help="The file of the key that seals approvals; a state file has one beside it.")
]


@dataclass(frozen=True, kw_only=True)
class Stores:
    """Where a gate remembers and writes down."""

    state: str
    audit: Path
    keys: Path
    anchor: Path | None
    seal: Path | None
    begin: bool
    """Whether they are made where they are new."""


@contextmanager
def opened_gate(tools: "Sequence[Tool]", policy: "Policy", stores: Stores) -> "Iterator[Gate]":
    """A gate whose records hold no secret of the environment; its log is signed at the end.

    Raises: DataError if there is nothing of such a name, and nothing is to be made.
    """
    from workbench.safety import Redactor, environment_secrets
    from workbench.tools import Gate

    with (
        closing(_open_log(stores)) as log,
        closing(open_state(stores.state, seal=stores.seal, begin=stores.begin)) as state,
    ):
        yield Gate(tools, policy, state, log, redactor=Redactor(environment_secrets()))


def _open_log(stores: Stores) -> "ChainedLog":
    from workbench.core import DataError
    from workbench.tools import LOG, AuditKeys, ChainedLog, open_keys

    path = stores.audit / LOG
    if not stores.begin and not path.exists():
        raise DataError(f"audit log {str(path)!r}: is not there; name its folder, or begin one with --begin")
    keys = AuditKeys(stores.keys) if stores.begin else open_keys(stores.keys)
    return ChainedLog(stores.audit, keys, anchor=stores.anchor)


def open_state(place: str, *, seal: Path | None = None, begin: bool = False) -> "State":
    """A state that is there; with `begin` a file is made where it is new.

    Raises: DataError if there is none: a misspelt name would be one in which nothing was ever done.
    """
    from workbench.core import DataError
    from workbench.tools import State, is_url

    if not begin and not is_url(place) and not Path(place).exists():
        raise DataError(f"tool state {place!r}: is not there; name the file that the gate was opened with")
    return State(place, seal=seal)
