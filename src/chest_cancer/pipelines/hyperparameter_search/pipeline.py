"""Wiring of hyperparameter_search."""

from kedro.pipeline import Node, Pipeline

from chest_cancer.pipelines.hyperparameter_search.nodes import search_hyperparameters


def create_pipeline() -> Pipeline:
    """Stored features to better parameters."""
    return Pipeline(
        [
            Node(
                func=search_hyperparameters,
                inputs=[
                    "features",
                    "split_table",
                    "params:hyperparameter_search",
                    "params:model_training",
                    "params:seed",
                ],
                outputs=["best_parameters", "search_trials"],
                name="search_hyperparameters_node",
            ),
        ],
        namespace="hyperparameter_search",
        prefix_datasets_with_namespace=False,
    )
