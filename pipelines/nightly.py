"""The scheduled flow: experiments that are run again every night, on whatever has changed by then.

`python -m pipelines.nightly experiments/tool_calling.yaml` serves it until it is stopped.
"""

import sys

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.deployments.runner import RunnerDeployment

from pipelines.flows import run_experiment
from pipelines.order import Order
from workbench.lab.outcome import Outcome

AT_THREE = "0 3 * * *"


@flow
def nightly(orders: list[Order]) -> list[State[Outcome]]:
    """Run experiments one after the other; one that fails fails the night, and the others still run."""
    return [run_experiment(order, return_state=True) for order in orders]


def schedule(orders: list[Order], *, cron: str = AT_THREE) -> RunnerDeployment:
    """The deployment of `nightly`, in this machine's time zone; `prefect.serve` runs it."""
    parameters = {"orders": [order.model_dump(mode="json") for order in orders]}
    return RunnerDeployment.from_flow(nightly, name="nightly", cron=cron, parameters=parameters)


if __name__ == "__main__":
    from prefect import serve

    serve(schedule([Order(path=path) for path in sys.argv[1:]]))
