"""`workbench audit`: a log is verified, read, exported and forgotten by what a person types."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from postgres_server import emptied
from typer.testing import CliRunner, Result

from workbench.cli import audit
from workbench.cli.main import Workbench
from workbench.tools import LOG, Approvals, AuditEntry, AuditKeys, ChainedLog, Question, State

app = typer.Typer(cls=Workbench)
app.add_typer(audit.app, name="audit")


def invoke(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["audit", *map(str, words)])


def entry(number: int, tenant: str, at: str = "2026-11-23T10:00:00+00:00") -> AuditEntry:
    return AuditEntry(
        kind="intent",
        at=at,
        call_id=f"call-{number}",
        tenant=tenant,
        principal="jo",
        tool="refund",
        version="1",
        effect="write",
        arguments_digest="0" * 64,
        arguments="{}",
        labels={},
        decision="allowed",
    )


def question(tenant: str) -> Question:
    return Question(
        tool="refund",
        version="1",
        tool_digest="0" * 64,
        arguments={"order": "o1"},
        labels={},
        policy_digest="0" * 64,
        tenant=tenant,
        principal="jo",
        roles=(),
        session="",
        occasion="",
        reason="the policy asks for an approval",
    )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The folder of a log with three entries of one tenant and one of another."""
    chained = ChainedLog(tmp_path / "log", AuditKeys(tmp_path / "keys"), anchor=tmp_path / "anchor")
    for number, tenant in enumerate(("acme", "acme", "other", "acme")):
        chained.append(entry(number, tenant))
    chained.close()
    return tmp_path / "log"


def test_a_whole_log_verifies(log: Path) -> None:
    """With what can't be known, and with nothing unknown once its key and its anchor are given."""
    bare = invoke("verify", log)
    key = AuditKeys(log.parent / "keys").public.public_bytes_raw().hex()
    known = invoke("verify", log, "--public-key", key, "--anchor", log.parent / "anchor", "--json")

    assert (0, "") == (bare.exit_code, bare.stderr)
    assert "4 records" in bare.stdout
    assert "not known: no public key was given" in bare.stdout
    assert (4, []) == (json.loads(known.stdout)["records"], json.loads(known.stdout)["doubts"])


def test_a_log_that_was_touched_ends_with_2(log: Path) -> None:
    """One byte is enough; the log and a line are named."""
    data = bytearray((log / LOG).read_bytes())
    data[len(data) // 2] ^= 1
    (log / LOG).write_bytes(data)
    result = invoke("verify", log)

    assert (2, "") == (result.exit_code, result.stdout)
    assert result.stderr.startswith(f"error: audit log ({log / LOG}): ")


def test_a_log_is_shown_by_tenant_and_call_and_from_its_end(log: Path) -> None:
    """The last ones, and only those asked for."""
    keys = ("--keys", log.parent / "keys", "--json")
    asked = {"": (), "tenant": ("--tenant", "acme"), "call": ("--call", "call-2"), "last": ("--last", "1")}
    found = {
        name: [line["entry"]["call_id"][-1] for line in json.loads(invoke("show", log, *keys, *words).stdout)]
        for name, words in asked.items()
    }

    assert {"": [*"0123"], "tenant": [*"013"], "call": ["2"], "last": ["3"]} == found


def test_an_export_is_a_record_a_line(log: Path) -> None:
    """Of a tenant, or of all."""
    keys = ("--keys", log.parent / "keys")
    lines = [json.loads(line) for line in invoke("export", log, *keys, "--tenant", "other").stdout.splitlines()]

    assert ["call-2"] == [line["entry"]["call_id"] for line in lines]
    assert 4 == len(invoke("export", log, *keys).stdout.splitlines())


def test_what_was_erased_is_named_and_the_log_still_verifies(log: Path) -> None:
    """A tenant's entries can't be read again; those of the others can."""
    keys, anchor = log.parent / "keys", log.parent / "anchor"
    erased = invoke("erase", log, "--keys", keys, "--tenant", "acme", "--anchor", anchor)
    states = [json.loads(line)["state"] for line in invoke("export", log, "--keys", keys).stdout.splitlines()]

    assert (0, "1 keys were destroyed\n") == (erased.exit_code, erased.stdout)
    assert ["erased", "erased", "kept", "erased"] == states
    assert 0 == invoke("verify", log, "--anchor", anchor).exit_code


def test_what_is_older_goes_and_the_log_still_verifies(log: Path) -> None:
    """By tenant, and a second time there is nothing to do; a tenant of whom nothing is kept is named."""
    keys, anchor = log.parent / "keys", log.parent / "anchor"
    ago = {days: (datetime.now(UTC) - timedelta(days=days)).isoformat() for days in (1, 40)}
    chained = ChainedLog(log, AuditKeys(keys), anchor=anchor)
    for number, (tenant, days) in enumerate((("acme", 1), ("acme", 40), ("other", 40)), start=4):
        chained.append(entry(number, tenant, ago[days]))
    chained.close()
    words = ("retain", log, "--keys", keys, "--anchor", anchor, "--days", "30", "--for", "other=60")
    first, second, misspelt = invoke(*words, "--json"), invoke(*words), invoke(*words, "--for", "acne=7")
    states = [json.loads(line)["state"] for line in invoke("export", log, "--keys", keys).stdout.splitlines()]

    assert [("acme", 1)] == [(one["tenant"], one["keys"]) for one in json.loads(first.stdout)]
    assert (0, "nothing is older\n", "") == (second.exit_code, second.stdout, second.stderr)
    assert (0, "nothing is kept of tenant 'acne': its --for changes nothing\n") == (misspelt.exit_code, misspelt.stderr)
    assert ["kept", "erased", "kept"] == states[4:]
    assert 0 == invoke("verify", log, "--anchor", anchor).exit_code


def test_a_schedule_that_is_none_ends_with_2(log: Path) -> None:
    """Nothing is erased."""
    result = invoke("retain", log, "--keys", log.parent / "keys", "--days", "1", "--for", "acme")

    told = "error: retention 'acme': is none, or not the first of its tenant; write it as \"acme=30\"\n"
    assert (2, told) == (result.exit_code, result.stderr)
    assert "erased" not in invoke("export", log, "--keys", log.parent / "keys").stdout


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_state_forgets_with_the_log(log: Path, engine: str, request: pytest.FixtureRequest) -> None:
    """What a person was asked for a tenant is gone; a state that is not named is spoken of."""
    place = log.parent / "state.db" if engine == "sqlite" else emptied(request.getfixturevalue("postgres_url"))
    opened = State(place)
    for tenant in ("acme", "other"):
        Approvals(opened).ask(question(tenant))
    words = ("erase", log, "--keys", log.parent / "keys", "--tenant", "acme")
    bare, named = invoke(*words), invoke(*words, "--state", place)
    left = [len(Approvals(opened).list(tenant)) for tenant in ("acme", "other")]
    opened.close()

    assert "the state of the gate still holds its answers and questions; name it with --state\n" == bare.stderr
    assert (0, "0 keys were destroyed, 0 results and 1 approvals erased\n", "") == (
        named.exit_code,
        named.stdout,
        named.stderr,
    )
    assert [0, 1] == left


def test_a_state_that_is_not_there_ends_with_2(log: Path) -> None:
    """Before the log forgets."""
    result = invoke("erase", log, "--keys", log.parent / "keys", "--tenant", "acme", "--state", log / "no.db")

    assert (2, "") == (result.exit_code, result.stdout)
    assert "erased" not in invoke("export", log, "--keys", log.parent / "keys").stdout


@pytest.mark.parametrize("verb", ["show", "export"])
def test_keys_that_are_not_there_are_not_made(log: Path, verb: str) -> None:
    """A misspelt folder is an error, not a log that nobody can read."""
    result = invoke(verb, log, "--keys", log.parent / "kays")

    told = (
        f"error: audit keys {str(log.parent / 'kays')!r}: are not there; name the folder that the log was begun with\n"
    )
    assert (2, told, "") == (result.exit_code, result.stderr, result.stdout)
    assert not (log.parent / "kays").exists()
