"""What a run imports, imported once: the processes of a walk are forked from one that has it all."""

import keras
import matplotlib.pyplot
import mlflow.pyfunc
import openvino
import sklearn.pipeline
import tensorflow

from chest_cancer import environment, pipeline_registry

environment.prepare()
IMPORTED = (keras, matplotlib, mlflow, openvino, pipeline_registry, sklearn, tensorflow)
