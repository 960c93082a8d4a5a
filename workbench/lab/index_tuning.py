"""A live index of a workspace, tuned by judged queries. Not in `indexes`, which every command on an index imports."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from workbench.lab.indexes import open_encoder, open_live
from workbench.lab.workspace import Workspace
from workbench.optimize import Tuned, TuneRequest, tune_live
from workbench.retrieval import ANYONE, Judgment, View


def tune_index(
    workspace: Workspace,
    name: str,
    judgments: Sequence[Judgment],
    *,
    request: TuneRequest,
    held_out: float,
    view: View = ANYONE,
) -> Tuned:
    """Search for a better spec of an index, as a caller with that view sees it; shown as it goes, the index stays.

    Raises: as `open_live` and `tune_live` do.
    """
    index = open_live(workspace, name, "hand out what it holds to be tuned")
    workspace.progress.stage("tune", skipped=False)
    tried = count(1)
    watched = replace(request, on_try=lambda _try: workspace.progress.advance(next(tried), request.tries))
    return tune_live(
        index,
        judgments,
        embedding=open_encoder(workspace, index.spec),
        request=watched,
        held_out=held_out,
        view=view,
    )
