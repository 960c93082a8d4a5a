"""Pipelines: the stages of the lab as Prefect flows; the only importer of prefect.

One function to call: `launch(Order(path="experiments/tool_calling.yaml"))` runs a whole experiment as the flow
that `workbench run` is. `flows` holds it and its parts, `nightly` the scheduled one.

Why flows are thin: a stage is a plain function that knows how to be skipped or continued; Prefect adds retries
where the machinery failed, a schedule, and a record of what ran when. Why a server of our own beside the
workspace: without an address of a Prefect server Prefect starts one, imports it into the asking process too,
and leaves it behind after kill -9. Ours starts while the rest is imported, and ends with whoever started it.

Nothing is imported here, so that the switches below stand before prefect reads them, and `launch` can start
the server before it imports anything.
"""

import logging
import os

# Offline is a mode: nothing is sent, and no price list or release note is fetched.
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "true")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("RAGAS_DO_NOT_TRACK", "true")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
# A first start migrates a database: up to 25 s, more on a busy machine.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "90")
os.environ.setdefault("PREFECT_API_REQUEST_TIMEOUT", "120")
# The terminal belongs to the stages: what fails is raised and said once, where Prefect would print its traces besides.
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
os.environ.setdefault("PREFECT_LOGGING_TO_API_ENABLED", "false")
# A truncated answer is counted as malformed; a line for each would bury the stages.
logging.getLogger("dspy.clients.lm").setLevel(logging.ERROR)
