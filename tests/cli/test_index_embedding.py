"""`workbench index build --embedding`: a provider's model is asked before anything is read, and known again later."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from workbench.cli import index
from workbench.cli.main import Workbench
from workbench.core import Document, write_records
from workbench.lms import CallStore
from workbench.retrieval import read_manifest

app = typer.Typer(cls=Workbench)
app.add_typer(index.app, name="index")


class Handler(BaseHTTPRequestHandler):
    """Embeds a text as how many a, b and c it has; another `shift` is another model behind the same name."""

    asked: list[list[str]]
    shift: int

    def do_POST(self) -> None:
        texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["input"]
        self.asked.append(texts)
        rows = [[1.0 + text.count(letter) for letter in "abc"[self.shift :] + "abc"[: self.shift]] for text in texts]
        data = json.dumps({"data": [{"index": at, "embedding": row} for at, row in enumerate(rows)]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def url() -> Iterator[str]:
    """Where the model listens."""
    Handler.asked, Handler.shift = [], 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
        thread.join()


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    write_records(tmp_path / "d.jsonl", [Document(doc_id=one, text=one * 9) for one in "abc"])
    return tmp_path / "d.jsonl"


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["index", *words, "--workspace", str(folder / "mlruns")])


def test_an_index_is_built_searched_and_refreshed_with_a_providers_model(
    tmp_path: Path, documents: Path, url: str
) -> None:
    """Its dimensions are those that it answers with; what is paid stands in the ledger."""
    options = ("--retriever", "dense", "--embedding", "m-3", "--base-url", url)
    built = run(tmp_path, "build", "kb", str(documents), *options)
    assert built.exit_code == 0, built.output
    spec = read_manifest(tmp_path / "mlruns/indexes/kb").spec.embedding
    found = json.loads(run(tmp_path, "search", "kb", "bbb", "--json").stdout)
    write_records(documents, [Document(doc_id="n", text="bbbbbbbbbbbbb")])
    refreshed = json.loads(run(tmp_path, "refresh", "kb", "--json").stdout)
    store = CallStore(tmp_path / "mlruns/calls.db")
    models = {*store.frame()["model"]} - {"query of m-3"}
    store.close()

    assert spec is not None
    assert ("m-3", url, 3) == (spec.model, spec.base_url, spec.dimensions)
    assert "b" == found[0]["hit"]["doc_id"]
    assert (1, 3, 1) == (refreshed["added"], refreshed["deleted"], refreshed["embedded"])
    assert {"m-3"} == models


def test_another_model_behind_the_name_is_noticed(tmp_path: Path, documents: Path, url: str) -> None:
    """By what it answers to one text, before a document is embedded with it."""
    run(tmp_path, "build", "kb", str(documents), "--retriever", "dense", "--embedding", "m-3", "--base-url", url)
    Handler.shift = 1
    write_records(documents, [Document(doc_id="n", text="new")])
    refused = run(tmp_path, "refresh", "kb")

    assert 2 == refused.exit_code
    assert "is another one than the index was made with" in refused.stderr
    assert ["new"] not in Handler.asked


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--embedding", "m", "--base-url", "http://127.0.0.1:9/v1"), "gave no answer"),
        (("--embedding", "m"), "give --embedding and --base-url"),
        (("--base-url", "http://127.0.0.1:9/v1"), "give --embedding and --base-url"),
        (("--embedding", "m", "--base-url", "http://h/v1", "--key-env", "X"), "would get the key unprotected"),
    ],
)
def test_what_can_not_be_asked_builds_nothing(tmp_path: Path, options: tuple[str, ...], expected: str) -> None:
    """It is said before the corpus is looked for, which is not there."""
    done = run(tmp_path, "build", "kb", "missing.jsonl", *options)

    assert 2 == done.exit_code
    assert expected in done.stderr
    assert not (tmp_path / "mlruns/indexes").exists()


def test_an_index_of_words_has_no_use_for_a_model(tmp_path: Path, url: str) -> None:
    """It is refused, and not passed over."""
    words = ("--retriever", "bm25", "--embedding", "m", "--base-url", url)
    done = run(tmp_path, "build", "kb", "missing.jsonl", *words)

    assert 2 == done.exit_code
    assert "an index of words has no use for embedding model 'm'" in done.stderr
