"""Tests of the record are a process that runs the pipelines."""

from chest_cancer import environment

environment.prepare()
