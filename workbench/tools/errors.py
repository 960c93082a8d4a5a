"""The errors of tools: one for a person, one by which a tool says that nothing happened."""

from workbench.core import WorkbenchError


class ToolError(WorkbenchError):
    """A tool, a policy, an approval or the gate's state is wrong."""


class NotDone(ToolError):
    """Raised by a tool that is sure that it changed nothing; its text may be told to a model, once it is redacted."""

    def __init__(self, message: str, *, again: bool = False) -> None:
        """`again` says that the same call may well succeed a little later."""
        super().__init__(message)
        self.again = again


class Unusable(ToolError):
    """Raised by a tool that did what it was told, and whose answer can't be used."""
