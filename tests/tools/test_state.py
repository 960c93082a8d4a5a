"""A state is shared by gates that reserve once and ask once, and by a switch that stops them all, in each engine."""

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from workbench.safety.labels import USER
from workbench.tools import state_owner, state_session
from workbench.tools.approvals import Approvals, Question
from workbench.tools.errors import ToolError
from workbench.tools.journal import Action, Journal
from workbench.tools.state import State
from workbench.tools.state_engine import Row, Value
from workbench.tools.state_owner import SessionOwner
from workbench.tools.state_session import Server
from workbench.tools.switch import Switch

Place = Path | str


def action(key: str = "k1") -> Action:
    return Action(
        key=key,
        tenant="acme",
        tool="refund",
        arguments_digest="0" * 64,
        call_id="c1",
        stage="reserved",
        owner="",
        attempt=0,
        approval_id="",
        result="",
        at=0.0,
    )


def asked() -> Question:
    return Question(
        tool="refund",
        version="1",
        tool_digest="0" * 64,
        arguments={"order": "o1"},
        labels={"": USER},
        policy_digest="0" * 64,
        tenant="acme",
        principal="jo",
        roles=(),
        session="",
        occasion="",
        reason="the policy asks for an approval",
    )


@contextmanager
def opened(place: Place, count: int, folder: Path, *, busy_seconds: float = 5.0) -> Iterator[list[State]]:
    """As many processes would open it."""
    states = [State(place, seal=folder / "seal", busy_seconds=busy_seconds) for _ in range(count)]
    try:
        yield states
    finally:
        for state in states:
            state.close()


def at_once(works: list[Callable[[], object]]) -> None:
    """Begin all of them at the same moment, and wait for the last."""
    together = threading.Barrier(len(works))

    def begin(work: Callable[[], object]) -> None:
        together.wait()
        work()

    threads = [threading.Thread(target=begin, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_of_many_that_reserve_at_once_one_does(place: Place, tmp_path: Path) -> None:
    """For each of twenty actions; the others are told that it is under way."""
    found: list[tuple[str, str]] = []
    with opened(place, 4, tmp_path) as states:

        def reserve(state: State) -> None:
            found.extend((key, Journal(state).reserve(action(key)).standing) for key in map(str, range(20)))

        at_once([partial(reserve, state) for state in states])

    ours = sorted(key for key, standing in found if standing == "ours")
    assert sorted(map(str, range(20))) == ours
    assert {"ours", "under_way"} == {standing for _, standing in found}


def test_of_many_that_take_over_from_the_dead_one_does(place: Place, tmp_path: Path) -> None:
    """What a dead process reserved is reserved once more."""
    found: list[str] = []
    with opened(place, 4, tmp_path) as states:
        Journal(states[0]).reserve(action())
        states[0].change("UPDATE actions SET owner = 'gone'", ())

        def reserve(state: State) -> None:
            found.append(Journal(state).reserve(action()).standing)

        at_once([partial(reserve, state) for state in states])

    assert ["ours", "under_way", "under_way", "under_way"] == sorted(found)


class Unheard(State):
    """A state whose change is made, and whose answer gets lost, as often as `lost` says."""

    lost = 1

    def change(self, sql: str, values: Sequence[Value], *, lasting: bool = False) -> list[Row]:
        """See `State.change`."""
        rows = super().change(sql, values, lasting=lasting)
        if self.lost:
            self.lost -= 1
            raise ToolError("the line broke")
        return rows


def test_a_reservation_whose_answer_was_lost_is_made_anew(place: Place, tmp_path: Path) -> None:
    """Once: what was told as failed was never begun, and does not stand in the way until the process ends."""
    with closing(Unheard(place, seal=tmp_path / "seal")) as state:
        calls = [action().model_copy(update={"call_id": name}) for name in ("c1", "c2", "c3")]
        with pytest.raises(ToolError, match="the line broke"):
            Journal(state).reserve(calls[0])
        second, third = Journal(state).reserve(calls[1]), Journal(state).reserve(calls[2])

    assert [("ours", "c2"), ("under_way", "c2")] == [(one.standing, one.action.call_id) for one in (second, third)]


def test_what_is_closed_while_another_takes_it_over_stays_done(postgres: str, tmp_path: Path) -> None:
    """An owner that was taken for dead comes back at that moment."""
    found: list[str] = []
    with opened(postgres, 1, tmp_path) as (state,):
        Journal(state).reserve(action())
        state.change("UPDATE actions SET owner = 'gone', state = 'started'", ())
        thread = threading.Thread(target=lambda: found.append(Journal(state).reserve(action()).standing))
        with Server(postgres, busy_seconds=5.0).session() as session, session.transaction():
            session.ask("UPDATE actions SET state = 'done'")
            thread.start()
            while not state.change("SELECT 1 FROM pg_locks WHERE NOT granted", ()):
                time.sleep(0.01)
        thread.join()
        stands = state.change("SELECT state FROM actions", ())

    assert (["done"], [("done",)]) == (found, stands)


def test_of_many_that_ask_at_once_a_person_sees_one_question(place: Place, tmp_path: Path) -> None:
    """And its approval is spent by one action."""
    with opened(place, 4, tmp_path) as states:
        at_once([partial(Approvals(state).ask, asked()) for state in states])
        (one,) = Approvals(states[0]).list("acme")
        Approvals(states[0]).grant(one.approval_id, approver="boss", tenant="acme")
        told: list[str] = []

        def spend(state: State, key: str) -> None:
            try:
                Journal(state).reserve(action(key).model_copy(update={"approval_id": one.approval_id}))
                told.append("ours")
            except ToolError as error:
                told.append(str(error).rpartition(": ")[2])

        at_once([partial(spend, state, f"k{number}") for number, state in enumerate(states)])
        kept = len(states[0].change("SELECT key FROM actions", ()))

    assert (1, ["ours", *["was used or expired meanwhile"] * 3]) == (kept, sorted(told))


@pytest.mark.parametrize("stop", [True, False])
def test_what_starts_while_the_switch_is_thrown_waits_for_it(place: Place, tmp_path: Path, stop: bool) -> None:
    """When the switch is set no effect begins any more, also none that looked before it was."""
    numbers: list[int | None] = []
    with opened(place, 2, tmp_path) as (first, second):
        Journal(first).reserve(action())
        thread = threading.Thread(target=lambda: numbers.append(Journal(first).start("k1", lasting=False)))
        with second.transaction() as db:
            db.execute("UPDATE switch SET mode = ?", ("stop" if stop else "run",))
            thread.start()
            time.sleep(0.1)
            waiting = list(numbers)
        thread.join()

    assert ([], [None] if stop else [1]) == (waiting, numbers)


def test_a_switch_counts_how_often_it_was_set(place: Place, tmp_path: Path) -> None:
    """Also when it is set by several at once."""
    with opened(place, 3, tmp_path) as states:
        at_once([partial(Switch(state).set, "read_only", who="boss", why="drill") for state in states])

        assert (3, "read_only") == ((found := Switch(states[0]).read()).epoch, found.mode)


def test_a_transaction_that_fails_changes_nothing(place: Place, tmp_path: Path) -> None:
    """Whatever fails in it."""
    with opened(place, 1, tmp_path) as (state,):
        with suppress(ToolError), state.transaction() as db:
            db.execute("UPDATE switch SET mode = 'stop'", ())
            raise ToolError("broke")

        assert "run" == Switch(state).read().mode


@pytest.mark.parametrize(("idempotency", "kind"), [("key", "done"), ("reconcile", "done"), ("none", "in_doubt")])
def test_what_a_killed_process_did_is_not_done_again(shop, make_call, monkeypatch, idempotency, kind):
    """It is killed between its effect and its answer; the next one repeats, looks, or leaves it to a person."""
    monkeypatch.setattr(state_owner, "LEASE_SECONDS", 0.0)
    world, act = shop.folder / "world", shop.act

    def die(what: str) -> str:
        world.write_text(what)
        os.kill(os.getpid(), signal.SIGKILL)
        return what

    if (child := os.fork()) == 0:
        try:
            shop.act = die
            shop.gate(idempotency=idempotency).call(make_call())
        finally:
            os._exit(1)
    ended = os.waitpid(child, 0)[1]
    shop.done.append(world.read_text())
    shop.act = act
    gate = shop.gate(idempotency=idempotency)
    while (result := gate.call(make_call())).code == "under_way":  # until the server has seen that it is gone
        time.sleep(0.01)

    assert (signal.SIGKILL, kind) == (ended, result.kind)
    assert (2 if idempotency == "key" else 1) == len(shop.done)


def test_a_person_without_a_seal_can_not_grant(postgres: str) -> None:
    """A key that stood among the rows would let whoever writes them grant."""
    with closing(State(postgres)) as state:
        approval = Approvals(state).ask(asked()).approval_id
        with pytest.raises(ToolError, match="its file is not named"):
            Approvals(state).grant(approval, approver="boss", tenant="acme")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:hunter%2F22@127.0.0.1:1/gates",
        "postgresql://app@127.0.0.1:1/gates?password=hunter/22",
        "postgresql://app:hunter/hunter@h/gates",
        "postgresql://app:44/hunter@h/gates",
        "postgresql://app:44@hunter@h/gates",
        "postgresql://app:hunter%zz22@h/gates",
    ],
)
def test_no_error_holds_a_password(url: str) -> None:
    """Neither what is told nor what is shown beneath."""
    with pytest.raises(ToolError) as caught:
        State(url)
    told = "".join(traceback.format_exception(caught.value))

    assert "hunter" not in told
    assert "tool state" in told


def test_sessions_that_the_server_ends_are_opened_anew(postgres: str) -> None:
    """After its restart gates go on, and who was at work counts as such."""
    with closing(State(postgres)) as state, closing(State(postgres)) as other:
        Journal(state).reserve(action())
        other.change(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = ?",
            ("client backend",),
        )

        assert "under_way" == Journal(other).reserve(action()).standing
        assert 1 == Journal(state).start("k1", lasting=True)


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_a_server_that_is_away_denies_until_it_is_back(place, shop, make_call):
    """Nothing is done meanwhile, and the gate does not have to be opened again."""
    from psycopg import connect  # noqa: PLC0415 - an extra

    gate = shop.gate()
    away = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres'"
    with connect(place, dbname="template1", autocommit=True) as admin:
        admin.execute("ALTER DATABASE postgres ALLOW_CONNECTIONS false")
        try:
            admin.execute(away)
            denied, read = gate.call(make_call()), gate.call(make_call(tool="orders", arguments={"customer": "c1"}))
        finally:
            admin.execute("ALTER DATABASE postgres ALLOW_CONNECTIONS true")
    told = [(one.kind, one.code) for one in (denied, read)]

    assert ([("denied", "gate_failed")] * 2, "done", ["o1 5.0"]) == (told, gate.call(make_call()).kind, shop.done)


def test_a_server_that_is_mute_is_not_waited_for(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The change fails in time, and nobody goes on with a session in an unknown state."""
    monkeypatch.setattr(state_session, "_ANSWER_SECONDS", 0.2)
    with closing(State(postgres, busy_seconds=0.1)) as state:
        ((pid,),) = state.change("SELECT pg_backend_pid()", ())
        os.kill(int(pid), signal.SIGSTOP)
        begun = time.monotonic()
        try:
            with pytest.raises(ToolError, match="WaitTimeout"):
                state.change("SELECT 1", ())
        finally:
            os.kill(int(pid), signal.SIGCONT)

        assert time.monotonic() - begun < 5
        assert [(1,)] == state.change("SELECT 1", ())


def test_a_state_that_was_inherited_is_refused(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes on one line would read each other's answers."""
    with closing(State(postgres)) as state:
        with monkeypatch.context() as child:
            child.setattr(os, "getpid", lambda: -1)
            with pytest.raises(ToolError, match="another process"):
                Switch(state).read()

        assert "run" == Switch(state).read().mode


def test_an_owner_is_alive_by_its_lock_or_until_its_lease_ends(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that can't speak holds its lock; one whose session broke has a while to come back."""
    with closing(State(postgres)):
        server = Server(postgres, busy_seconds=1.0)
        owner, other = SessionOwner(server), SessionOwner(server)

        def alive() -> list[bool]:
            found = []
            for seconds in (0.0, 60.0):
                monkeypatch.setattr(state_owner, "LEASE_SECONDS", seconds)
                found.append(other.alive(owner.name))
            return found

        held = alive()
        with server.session() as session:
            session.ask(
                "SELECT pg_terminate_backend(pid, 30000) FROM pg_locks "
                "WHERE locktype = 'advisory' AND objid::bigint = ?",
                (int(owner.name.rpartition("-")[2], 16) & 0xFFFFFFFF,),
            )
        lost = alive()
        owner.close()
        closed = alive()
        other.close()

    assert ([True, True], [False, True]) == (held, lost)
    assert [False, True] == closed  # its last sign of life could not be taken back
