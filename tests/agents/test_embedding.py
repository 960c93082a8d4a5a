"""Embeddings of a provider are accounted for: in the ledger, within the budget, and each query paid for once."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from workbench.agents.embedding import connect_embedding
from workbench.core import Budget, BudgetExceeded, Corpus, Document, Meter
from workbench.lms import CallStore, scope, totals
from workbench.retrieval import EmbedSpec, IndexSpec
from workbench.retrieval.builder import build_with

CORPUS = Corpus(
    name="library", documents=(Document(doc_id="a", text="aaa"), Document(doc_id="b", text="bbb bbb bbb bbb bbb"))
)


class Handler(BaseHTTPRequestHandler):
    """Embeds a text as how many a and b it has."""

    asked: list[list[str]]

    def do_POST(self) -> None:
        texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["input"]
        self.asked.append(texts)
        rows = [
            {"index": place, "embedding": [1.0 + text.count("a"), 1.0 + text.count("b")]}
            for place, text in enumerate(texts)
        ]
        data = json.dumps({"data": rows, "usage": {"total_tokens": 5 * len(texts)}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def spec() -> Iterator[EmbedSpec]:
    """A model on this machine that costs two dollars for a million tokens."""
    Handler.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        yield EmbedSpec(model="m", base_url=url, dimensions=2, usd_per_million_tokens=2.0)
        server.shutdown()
        thread.join()


def test_every_call_is_a_row_of_the_ledger_and_a_query_is_paid_for_once(spec: EmbedSpec, tmp_path: Path) -> None:
    """Probe, documents and query are paid; the query again, after a restart too, is answered from the store."""
    store = CallStore(tmp_path / "calls.db")
    for run in ("one", "two"):
        with scope(run=run):
            index = build_with(
                CORPUS, IndexSpec(retriever="dense", embedding=spec), connect_embedding(spec, store=store)
            )
            assert "b" == index.search("bb", 1)[0].doc_id
    paid = store.frame().filter(store.frame()["model"] == "m")

    assert 1 == Handler.asked.count(["bb"])
    assert {"retriever"} == {*store.frame()["kind"]}
    assert ["one"] * 3 + ["two"] * 2 == list(paid["run"])
    assert 5 * 2 == sum(paid.filter(paid["run"] == "one")["prompt_tokens"]) - 5 * 2
    spent = totals(store.frame("one"))
    assert (0, 0, pytest.approx(20 * 2e-6)) == (spent.calls, spent.tokens, spent.usd)
    store.close()


def test_a_budget_of_dollars_stops_it(spec: EmbedSpec) -> None:
    """Before the call that could exceed it; a budget of model calls says nothing of embeddings."""
    with pytest.raises(BudgetExceeded, match="usd"):
        connect_embedding(spec, meter=Meter(Budget(usd=1e-9))).embed(["a"])
    meter = Meter(Budget(calls=0, usd=1.0))
    connect_embedding(spec, meter=meter).embed(["a"])
    assert pytest.approx(2 * 5 * 2e-6) == meter.spent.usd
