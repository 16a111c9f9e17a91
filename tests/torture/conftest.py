"""Fixtures of the training tests, used here too."""

from tests.training.conftest import _one_thread, finished_run, run_copy

__all__ = ["_one_thread", "finished_run", "run_copy"]
