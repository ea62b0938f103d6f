"""What a head must fit, checked before it is trained."""

from chest_cancer.network.heads.registry import HEADS
from chest_cancer.network.vgg16 import KerasModel
from chest_cancer.parameters.blocks import ModelTrainingParameters


def check_classes(classes: list[str], parameters: ModelTrainingParameters) -> None:
    """Check the classes that parameters name: the images may have been indexed with other ones.

    Args:
        classes: Names of the classes that there are.
        parameters: The block `model_training`.

    Raises:
        ValueError: `normal_class` is not one of the classes, or `positive_classes` are not some of the others.
    """
    normal, positive = parameters.normal_class, parameters.positive_classes
    if normal is not None and normal not in classes:
        raise ValueError(
            f"Invalid value for `model_training.normal_class`: expected one of {', '.join(classes)}, or null where no "
            f"class is without disease. Received: {normal}"
        )
    diseases = set(classes) - {normal}
    if positive is not None and not (set(positive) <= diseases and set(positive) < set(classes)):
        raise ValueError(
            f"Invalid value for `model_training.positive_classes`: expected some of {', '.join(sorted(diseases))}, or "
            f"null for all but `normal_class`. Received: {', '.join(positive)}"
        )


def check_head(head: str, top: KerasModel) -> None:
    """Check that a head gets the kind of features that it reads: they may be those of an earlier run.

    Args:
        head: Name of the head in `HEADS`.
        top: The trainable top, which gives what the head gets.

    Raises:
        ValueError: A head that reads a map gets pooled features, or the other way round.
    """
    has_map = len(top.output.shape) == 4
    if has_map != (HEADS[head].reads is not None):
        raise ValueError(
            f"Invalid value for `model_training.head`: expected {'cells' if has_map else 'a head on pooled features'}, "
            f"which the stored features were made for. Received: {head}. Run model_preparation and feature_extraction "
            "with this head first, as `kedro run` does."
        )
