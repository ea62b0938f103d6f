"""Every parameter is checked before any work, and the device chosen."""

import logging
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from pydantic import ValidationError

from chest_cancer.jobs import progress
from chest_cancer.parameters.blocks import Parameters
from chest_cancer.record.flat_parameters import flat_parameters

logger = logging.getLogger(__name__)


class ParametersHook:
    """Checks every parameter before any work, and chooses the device."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Stop at an unknown name, or a value of another type or outside its range.

        Raises:
            ValueError: Names each parameter, what was expected and what was received.
        """
        try:
            self._parameters = Parameters.model_validate(context.config_loader["parameters"])
        except ValidationError as error:
            lines = [
                f"- `{'.'.join(map(str, problem['loc']))}`: {problem['msg']}. Received: {problem['input']!r}"
                for problem in error.errors()
            ]
            raise ValueError(
                "\n".join(["Invalid parameters (conf/base/parameters.yml lists all of them):", *lines])
            ) from None
        progress.report("parameters", values=flat_parameters(dict(self._parameters)))
        own = Path("conf", "local", "parameters.yml")
        if context.env not in (None, "local") and (context.project_path / own).is_file():
            logger.warning(
                "`--env %s` takes the place of conf/local: %s is not read. "
                "Pass the values that you need by `--params`.",
                context.env,
                own,
            )

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Keep the run from GPUs, or see that there is one, as `runtime.device` says.

        Raises:
            ValueError: It is `cuda`, and what is to compute finds none.
        """
        # On use: slow imports, which other commands need not pay.
        from chest_cancer.network.devices import use_device

        device, tuned = self._parameters.runtime.device, self._parameters.model_preparation.fine_tune_from is not None
        use_device(device)
        if device == "cuda" and tuned and "trained_top" in pipeline.all_outputs():
            from chest_cancer.network.keras_head import require_gpu

            require_gpu()
