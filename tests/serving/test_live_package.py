"""A package that refers to a live index answers each caller from what that one may read, as the index is then."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from fastapi.testclient import TestClient
from small_package import PROVENANCE, REPORT, SCRIPTED, make_verdict

from workbench.agents import AgentSpec, build_agent
from workbench.core import EVERYONE, Document, Origin, PackageError
from workbench.lms import scripted_lm
from workbench.packaging import PackageParts, export_package, load_package, self_test
from workbench.packaging.parts import LiveReference
from workbench.retrieval import IndexSpec, LiveIndex, View, create_live, update
from workbench.retrieval.live_frozen import copy_live, digest_generation, freeze
from workbench.serving import create_app
from workbench.serving.callers import Callers, add_caller, make_key
from workbench.serving.problems import Refused

BM25 = IndexSpec(retriever="bm25")
ASKED = {"request": "what is the salary policy"}


class Served(NamedTuple):
    client: TestClient
    live: LiveIndex
    keys: dict[str, str]
    callers: Path
    package: Path


def page(name: str, text: str, *readers: str, fresh_hours: float | None = None) -> Document:
    origin = Origin(
        source="wiki", path=f"{name}.md", readers=tuple(sorted(readers)), trust="reviewed", licence="CC0-1.0",
        fresh_hours=fresh_hours, whole="handbook", start=10, end=10 + len(text),
    )  # fmt: skip
    return Document(doc_id=name, text=text, origin=origin)


PAGES = (
    page("public", "The salary policy is on the wall", EVERYONE),
    page("staff", "The salary policy for staff says ten", "staff", fresh_hours=1.0),
    page("board", "The salary policy of the board says more", "board"),
)


def parts_of(index: object, live: LiveReference | None) -> PackageParts:
    spec = AgentSpec(pattern="answer", lm=SCRIPTED, index=BM25, k=3)
    agent = build_agent(spec, index=index, lm=scripted_lm(_answer))
    return PackageParts(
        name="handbook", version="1.0.0", spec=spec, index=index, verdict=make_verdict(agent.digest, "PASS"),
        report=REPORT, cases=(), recordings=(), provenance=PROVENANCE, live=live, uris={"wiki": "../wiki"},
    )  # fmt: skip


def reference_to(folder: Path, index: LiveIndex) -> LiveReference:
    generation = index.current()
    return LiveReference(
        name="handbook", location=str(folder), identity=index.digest, content=digest_generation(generation),
        generation=generation.manifest.generation,
    )  # fmt: skip


def _answer(prompt: str) -> str:
    return json.dumps("; ".join(line for line in prompt.splitlines() if "policy" in line)[:300])


def write_callers(path: Path, keys: dict[str, str], **groups: tuple[str, ...]) -> None:
    callers = [{"principal": name, "groups": list(groups[name]), "key_sha256": keys[name]} for name in groups]
    path.with_suffix(".new").write_text(json.dumps({"callers": callers}))
    os.replace(path.with_suffix(".new"), path)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Ann of the staff and Bob of the board ask a server whose package refers to a live index."""
    create_live(tmp_path / "live", "handbook", BM25)
    live = LiveIndex(tmp_path / "live")
    update(live, PAGES)
    copy_live(live.folder, tmp_path / "pinned")
    pinned = LiveIndex(tmp_path / "pinned")
    package = export_package(tmp_path / "dist", parts_of(pinned, reference_to(live.folder, pinned)))
    made = {name: make_key() for name in ("ann", "bob")}
    hashed = {name: digest for name, (_, digest) in made.items()}
    write_callers(tmp_path / "callers.json", hashed, ann=("staff",), bob=("board", "staff"))
    callers = Callers(tmp_path / "callers.json")
    app = create_app(load_package(package, lm=scripted_lm(_answer)), runs_db=tmp_path / "runs.db", callers=callers)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Served(client, live, {name: key for name, (key, _) in made.items()}, tmp_path / "callers.json", package)


def ask(served: Served, name: str = "", **headers: str) -> dict[str, object]:
    return served.client.post("/v1/runs", json=ASKED, headers=headers_of(served, name) | headers).json()


def headers_of(served: Served, name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {served.keys[name]}"} if name else {}


def found(run: dict[str, object]) -> list[str]:
    return sorted(passage["id"] for passage in run["result"]["passages"])


def test_each_caller_is_answered_from_what_that_one_may_read(served: Served) -> None:
    """Nobody known sees what everyone may; what a request says of itself changes nothing."""
    assert ["public"] == found(ask(served)) == found(ask(served, **{"X-User": "bob", "X-Groups": "board"}))
    assert ["public", "staff"] == found(ask(served, "ann"))
    assert ["board", "public", "staff"] == found(ask(served, "bob"))
    assert "board" not in json.dumps(ask(served, "ann"))


def test_a_passage_says_where_it_is_from_and_that_it_is_stale(served: Served) -> None:
    """Source, offsets, trust and score parts; a rule without a time is stale, and the answer says so."""
    result = ask(served, "ann")["result"]
    (one,) = (passage for passage in result["passages"] if passage["id"] == "staff")

    assert ["staff"] == result["stale"]
    assert ("wiki", "staff.md", "handbook", 10, 46, "reviewed", "CC0-1.0", True) == tuple(
        one[name] for name in ("source", "path", "whole", "start", "end", "trust", "licence", "stale")
    )
    assert {"bm25", "bm25_rank"} == {*one["parts"]}


def test_a_refresh_is_seen_from_the_next_query_on(served: Served) -> None:
    """What is new is found, what is deleted or closed is not; recorded cases then say that the index has moved."""
    assert all(line.passed for line in self_test(served.package))
    update(
        served.live,
        [page("late", "The salary policy was changed", EVERYONE), page("staff", PAGES[1].text, "board")],
        deleted=["public"],
    )

    assert ["late"] == found(ask(served)) == found(ask(served, "ann"))
    assert ["board", "late", "staff"] == found(ask(served, "bob"))
    (line,) = (line for line in self_test(served.package) if line.name == "recorded cases")
    assert (True, "has changed") == (line.passed, "has changed" if "has changed" in line.detail else line.detail)


def test_a_run_and_its_key_are_the_callers_own(served: Served) -> None:
    """Another's run is not found, and the same idempotency key of another is another run."""
    mine = ask(served, "bob", **{"Idempotency-Key": "k"})
    others = [ask(served, name, **{"Idempotency-Key": "k"}) for name in ("ann", "")]

    assert mine == ask(served, "bob", **{"Idempotency-Key": "k"})
    assert [["public", "staff"], ["public"]] == [found(run) for run in others]
    address = f"/v1/runs/{mine['run_id']}"
    assert [404, 404, 200] == [
        served.client.get(address, headers=headers_of(served, name)).status_code for name in ("ann", "", "bob")
    ]


def test_who_lost_a_group_is_given_no_answer_of_before(served: Served) -> None:
    """The file of callers counts from the next request on; an idempotency key does not bring the old answer back."""
    first = ask(served, "bob", **{"Idempotency-Key": "k"})
    hashed = {one["principal"]: one["key_sha256"] for one in json.loads(served.callers.read_text())["callers"]}
    write_callers(served.callers, hashed, bob=())

    assert ["board", "public", "staff"] == found(first)
    assert "idempotency_conflict" == ask(served, "bob", **{"Idempotency-Key": "k"})["code"]
    assert ["public"] == found(ask(served, "bob"))
    assert "unauthenticated" == ask(served, "ann")["code"]


@pytest.mark.parametrize("header", ["Bearer nobody", "Basic YTpi", "Bearer", ""])
def test_an_unknown_key_is_refused(served: Served, header: str) -> None:
    """It is not taken for nobody: the caller learns that the key does not count."""
    response = served.client.post("/v1/runs", json=ASKED, headers={"Authorization": header})

    assert (401, "unauthenticated", "Bearer") == (
        response.status_code, response.json()["code"], response.headers["www-authenticate"],
    )  # fmt: skip


def test_a_caller_is_added_with_a_key_of_its_own(tmp_path: Path) -> None:
    """The file holds no key; who is added again has only the new one."""
    path = tmp_path / "callers.json"
    old, other = add_caller(path, "ann", ["sales", "staff"]), add_caller(path, "bob", [])
    new = add_caller(path, "ann", ["sales"])
    callers = Callers(path)

    assert ["sales"] == [*callers.recognise(f"Bearer {new}").groups]
    assert View(principals=("bob",)) == callers.recognise(f"bearer {other}").view
    assert not {old, new, other} & {*path.read_text().split('"')}
    with pytest.raises(Refused, match="unauthenticated"):
        callers.recognise(f"Bearer {old}")


def test_callers_that_are_added_at_once_are_all_there(tmp_path: Path) -> None:
    """Nobody's key is lost because another was given one at the same moment."""
    path = tmp_path / "callers.json"
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda number: add_caller(path, f"caller-{number}", []), range(24)))
    callers = Callers(path)

    found = [callers.recognise(f"Bearer {key}") for key in keys]
    assert [f"caller-{number}" for number in range(24)] == [caller.principal for caller in found if caller]


def test_unreadable_callers_let_nobody_in(served: Served) -> None:
    """A broken file is no reason to trust yesterday's."""
    served.callers.write_text("{")

    assert "not_ready" == ask(served, "bob")["code"]
    with pytest.raises(PackageError, match=r"callers .* can't be read"):
        Callers(served.callers)


def test_another_live_index_is_refused(served: Served, tmp_path: Path) -> None:
    """A package opens the index that it refers to, wherever that lies, and no other; without it, it is not ready."""
    create_live(tmp_path / "other", "gossip", BM25)
    copy_live(served.live.folder, tmp_path / "moved")

    with pytest.raises(PackageError, match=r"refers to live index 'handbook' .* name the folder of the right one"):
        load_package(served.package, lm=scripted_lm(_answer), live=tmp_path / "other")
    assert load_package(served.package, lm=scripted_lm(_answer), live=tmp_path / "moved").agent.digest
    (served.live.folder / "manifest.json").unlink()
    assert ["its live index can't be read"] == served.client.get("/readyz").json()["reasons"]


def test_a_copy_stays_as_it_is(served: Served, tmp_path: Path) -> None:
    """A frozen index ships with its readers; a refresh of the live one does not reach it; its docs say so."""
    package = export_package(tmp_path / "copies", parts_of(freeze(served.live, embedding=None), None))
    update(served.live, [], deleted=["public"])
    loaded = load_package(package, lm=scripted_lm(_answer))
    data, sources = (package / "docs/DATA.md").read_text(), json.loads((package / "supply/sources.json").read_text())

    assert ("public",) == loaded.answer(ASKED["request"]).ranked
    assert "ships a copy of the index" in data
    assert "refers to the live index" in (served.package / "docs/DATA.md").read_text()
    (source,) = sources["sources"]
    assert ("../wiki", ["CC0-1.0"], ["reviewed"], ["board", "everyone", "staff"]) == tuple(
        source[name] for name in ("uri", "licences", "trust", "access")
    )
