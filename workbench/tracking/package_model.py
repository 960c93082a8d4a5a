"""The file by which MLflow opens a package's directory as a model: code, not pickle.

MLflow copies this file beside the package and runs it to load the model, so it does one thing on import: it
names the model.
"""

from pathlib import Path

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from pydantic import JsonValue

from workbench.packaging import load_package


class PackageModel(PythonModel):
    """Answers requests through the package; rows in, answers out, in the same order."""

    def load_context(self, context: PythonModelContext) -> None:
        """Verify and load the package."""
        self.package = load_package(Path(context.artifacts["package"]))

    def predict(
        self, context: PythonModelContext, model_input: list[str], params: dict[str, object] | None = None
    ) -> list[dict[str, JsonValue]]:
        """One answer for each request."""
        return [self.package.answer(request).model_dump(mode="json") for request in model_input]


set_model(PackageModel())
