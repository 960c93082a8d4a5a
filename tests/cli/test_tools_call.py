"""`workbench tools call`: a call is really made, once, recorded and approved, and its end is told by the exit code."""

import json
import os
import sys
from pathlib import Path

import pytest
import typer
from postgres_server import emptied
from typer.testing import CliRunner, Result

from workbench.cli import approvals, audit, tools
from workbench.cli.main import Workbench

SHOP = '''
from pathlib import Path

from workbench.tools import Facts, NotDone, declare


def refund(order: str, amount: float) -> str:
    """Give money back."""
    if amount < 0:
        raise NotDone("less than nothing")
    with Path("done").open("a") as file:
        file.write(f"{order} {amount}\\n")
    return "\\x1b[2J" + order


TOOLS = [declare(refund, Facts(effect="irreversible"))]
'''
POLICIES = """
@id("refunds") permit(principal in Role::"support", action == Action::"refund", resource);
@id("big refunds") forbid(principal, action == Action::"refund", resource)
  when { context.arguments.amount.greaterThan(decimal("100.0")) && !context.approved };
"""
CALL = {
    "tool": "refund",
    "arguments": {"order": "o1", "amount": 5},
    "labels": {"": {"integrity": "trusted", "sources": ["user"]}},
    "caller": {"tenant": "acme", "principal": "jo", "roles": ["support"]},
}
SHARED = ("--audit", "log", "--keys", "keys", "--anchor", "anchor", "--seal", "seal")

app = typer.Typer(cls=Workbench)
for room in (approvals, audit, tools):
    app.add_typer(room.app, name=room.__name__.rpartition(".")[2])


def invoke(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a module of tools and policies; nothing was done, logged or remembered."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "shop.cedar").write_text(POLICIES)
    (tmp_path / "real_shop.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "real_shop", None)
    monkeypatch.delitem(sys.modules, "real_shop")
    return tmp_path


@pytest.fixture(params=["sqlite", "postgres"])
def state(request: pytest.FixtureRequest) -> str:
    """Of each engine."""
    return "state.db" if request.param == "sqlite" else emptied(request.getfixturevalue("postgres_url"))


def call(state: str, *words: str, **fields: object) -> Result:
    """A call made through the command."""
    Path("call.json").write_text(json.dumps({**CALL, **fields}))
    return invoke("tools", "call", "real_shop:TOOLS", "policies", "call.json", "--state", state, *SHARED, *words)


def done() -> list[str]:
    return Path("done").read_text().splitlines() if Path("done").exists() else []


def test_a_call_is_done_once_and_recorded(state: str) -> None:
    """The second is told what came of the first; the log holds all three, an intent first."""
    first, second = call(state, "--begin"), call(state, "--json")
    lines = [json.loads(line) for line in invoke("audit", "export", "log", "--keys", "keys").stdout.splitlines()]
    told = json.loads(second.stdout)

    assert (0, 0) == (first.exit_code, second.exit_code), first.output
    assert first.stdout.startswith("result    done\n")
    assert 'value     "\\u001b[2Jo1"\nlabel     untrusted, internal, from ' in first.stdout
    assert ("done", "\x1b[2Jo1", True) == (told["kind"], told["value"], told["replayed"])
    assert ["o1 5.0"] == done()
    assert ["", "done", "done"] == [line["entry"]["result"] for line in lines]
    assert 0 == invoke("audit", "verify", "log", "--anchor", "anchor").exit_code


def test_an_approval_lets_the_same_call_pass(state: str) -> None:
    """It ends with 3 and says what to type; granted, the call is done, and no other."""
    big = {"arguments": {"order": "o1", "amount": 500}}
    asked = call(state, "--begin", "--json", **big)
    approval = json.loads(asked.stdout)["approval_id"]
    granted = invoke("approvals", "grant", approval, state, "--tenant", "acme", "--approver", "boss", "--seal", "seal")
    again, other = call(state, **big), call(state, arguments={"order": "o1", "amount": 501})

    assert (3, f"next: uv run workbench approvals grant {approval} {state} --tenant acme --approver YOU\n") == (
        asked.exit_code,
        asked.stderr,
    )
    assert 0 == granted.exit_code, granted.output
    assert (0, 3) == (again.exit_code, other.exit_code)
    assert ["o1 500.0"] == done()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"caller": {"tenant": "acme", "principal": "eve"}}, 'forbidden: "no policy permits it"'),
        ({"arguments": {"order": "o1"}}, 'bad_arguments: "the arguments do not fit the tool\'s schema"'),
        ({"arguments": {"order": "o1", "amount": -1}}, 'not_done: "less than nothing"'),
    ],
    ids=("denied", "not valid", "failed"),
)
def test_what_is_not_done_ends_with_1(fields: dict[str, object], why: str) -> None:
    """With a code and a sentence."""
    result = call("state.db", "--begin", **fields)

    assert (1, "") == (result.exit_code, result.stderr), result.output
    assert f"why       {why}\n" in result.stdout
    assert [] == done()


def test_what_was_never_begun_is_not_begun_by_a_misspelt_name() -> None:
    """A journal that is new would let everything be done again."""
    call("state.db", "--begin")
    state, log = call("sate.db"), call("state.db", "--audit", "lag")
    keys = call("state.db", "--keys", "kays")

    assert [2, 2, 2] == [one.exit_code for one in (state, log, keys)]
    assert ["error: tool state 'sate.db': ", "error: audit log 'lag/audit.l", "error: audit keys 'kays': are"] == [
        one.stderr[:29] for one in (state, log, keys)
    ]
    assert {"sate.db", "lag", "kays"}.isdisjoint(os.listdir())


def test_an_unknown_tool_ends_with_2() -> None:
    """With the nearest one."""
    result = call("state.db", "--begin", tool="refnd")

    assert (2, "error: call (call.json): tool 'refnd' is not declared; did you mean \"refund\"?\n") == (
        result.exit_code,
        result.stderr,
    )


def test_what_is_to_be_typed_next_holds_no_password(postgres_url: str) -> None:
    """Though one stood in the URL."""
    state = emptied(postgres_url).replace("owner@", "owner:hunter-22@")
    asked = call(state, "--begin", arguments={"order": "o1", "amount": 500})

    assert 3 == asked.exit_code
    assert "owner:[secret]@" in asked.stderr
    assert "hunter" not in asked.output


def test_a_server_that_is_away_lets_nothing_pass() -> None:
    """It ends with 2, in time, and its password is not said."""
    result = call("postgresql://app:hunter-22@127.0.0.1:1/gates", "--begin")

    assert 2 == result.exit_code
    assert result.stderr.startswith("error: tool state (PostgreSQL gates at 127.0.0.1): OperationalError: ")
    assert "hunter" not in result.output
    assert [] == done()
