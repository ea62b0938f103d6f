"""Project settings. Kedro reads the names in capitals."""

from chest_cancer import environment

environment.prepare()  # here, because what follows imports the libraries that it tells things to

from chest_cancer.hooks.lineage import LineageHook
from chest_cancer.hooks.parameters import ParametersHook
from chest_cancer.hooks.progress import ProgressHook
from chest_cancer.hooks.project import ProjectHook
from chest_cancer.hooks.summary import SummaryHook
from chest_cancer.record.ending import Session
from chest_cancer.record.hook import TrackingHook
from chest_cancer.record.tracking import artifact_location, registry_uri, tracking_uri

# TrackingHook is kedro-mlflow's own hook, made to understand typed parameters: registered twice it would log twice.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro_mlflow",)
# The last one registered is called first: the summary comes at the very end.
HOOKS = (SummaryHook(), TrackingHook(), ProgressHook(), ParametersHook(), LineageHook(), ProjectHook())
SESSION_CLASS = Session

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # An environment gives only what differs: its blocks are merged into the base's, not put in their place.
    "merge_strategy": {"parameters": "soft"},
    "custom_resolvers": {
        "tracking_uri": tracking_uri,
        "registry_uri": registry_uri,
        "artifact_location": artifact_location,
    },
}
