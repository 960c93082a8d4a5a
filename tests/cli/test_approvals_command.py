"""`workbench approvals`: a person sees all that would be done, and decides once."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from workbench.cli import approvals
from workbench.cli.main import Workbench
from workbench.safety import USER
from workbench.tools import Approvals, Question, State

app = typer.Typer(cls=Workbench)
app.add_typer(approvals.app, name="approvals")


def invoke(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["approvals", *map(str, words)])


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A gate's state in which nothing was asked."""
    file = tmp_path / "state.db"
    State(file).close()
    return file


def ask(file: Path, *, tenant: str = "acme", principal: str = "jo") -> str:
    """The id of a question to a person."""
    asked = Question(
        tool="refund",
        version="1",
        tool_digest="0" * 64,
        arguments={"order": "o1", "note": "für \u202eeuch"},
        labels={"": USER},
        policy_digest="0" * 64,
        tenant=tenant,
        principal=principal,
        roles=(),
        session="",
        occasion="",
        reason="the policy asks for an approval",
    )
    return Approvals(State(file)).ask(asked).approval_id


def stands(file: Path) -> list[tuple[str, str]]:
    return [(one.stand, one.approver) for one in Approvals(State(file)).list("acme")]


def test_a_list_shows_a_tenant_all_that_would_be_done(state: Path) -> None:
    """Of its own only, and in ASCII: a letter that turns the line can't hide what it says."""
    approval = ask(state, principal="jo\u0430")
    ask(state, tenant="other")
    result = invoke("list", state, "--tenant", "acme")
    found = json.loads(invoke("list", state, "--tenant", "acme", "--json").stdout)

    assert 0 == result.exit_code
    assert ["tool", "for", "arguments", "why", "approver"] == result.stdout.splitlines()[0].split()[2:]
    assert 3 == len(result.stdout.splitlines())
    assert result.stdout.isascii()
    assert '{"note": "f\\u00fcr \\u202eeuch", "order": "o1"}' in result.stdout
    assert [(approval, "asked")] == [(one["approval_id"], one["stand"]) for one in found]


def test_a_tenant_that_was_never_asked(state: Path) -> None:
    """One sentence, and an empty list for a program."""
    ask(state)

    assert "tenant 'none': nothing was asked\n" == invoke("list", state, "--tenant", "none").stdout
    assert [] == json.loads(invoke("list", state, "--tenant", "none", "--json").stdout)


@pytest.mark.parametrize(("verb", "stand"), [("grant", "granted"), ("deny", "denied")])
def test_a_person_decides_once(state: Path, verb: str, stand: str) -> None:
    """The word is kept with who gave it; whoever comes later is told that it is not open."""
    approval = ask(state)
    first = invoke(verb, approval, state, "--tenant", "acme", "--approver", "boss")
    again = invoke("grant", approval, state, "--tenant", "acme", "--approver", "eve")

    assert 0 == first.exit_code
    assert first.stdout.startswith(f"{approval}: {stand} by boss")
    assert (2, "") == (again.exit_code, again.stdout)
    told = f"error: approval {approval!r} (tenant 'acme'): is not open; it was decided, expired or never asked\n"
    assert told == again.stderr
    assert [(stand, "boss")] == stands(state)


@pytest.mark.parametrize(
    ("tenant", "approver"), [("other", "boss"), ("acme", "")], ids=("of another tenant", "by nobody")
)
def test_nobody_else_decides(state: Path, tenant: str, approver: str) -> None:
    """It ends with 2, and the question stays open."""
    result = invoke("grant", ask(state), state, "--tenant", tenant, "--approver", approver)

    assert 2 == result.exit_code
    assert [("asked", "")] == stands(state)


def test_a_state_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A misspelt name is an error, not an empty list."""
    file = tmp_path / "sate.db"
    result = invoke("list", file, "--tenant", "acme")

    told = f"error: tool state {str(file)!r}: is not there; name the file that the gate was opened with\n"
    assert (2, told) == (result.exit_code, result.stderr)
    assert not file.exists()
