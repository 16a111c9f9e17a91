"""Remaining useful life of turbofan engines on NASA's C-MAPSS data.

The names below are imported on first use, so that `import cmapss_rul` does not import torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

from cmapss_rul.version import __version__ as __version__

if TYPE_CHECKING:
    from cmapss_rul.evaluation.evaluate import evaluate as evaluate
    from cmapss_rul.evaluation.export import export as export
    from cmapss_rul.evaluation.predict import predict as predict
    from cmapss_rul.evaluation.results import Evaluation as Evaluation
    from cmapss_rul.experiments.compare import compare as compare
    from cmapss_rul.experiments.grid import make_grid as make_grid
    from cmapss_rul.reports.report import report as report
    from cmapss_rul.system.errors import RulError as RulError
    from cmapss_rul.training.calibrate import calibrate_run as calibrate_run
    from cmapss_rul.training.config import RunConfig as RunConfig
    from cmapss_rul.training.config import load_config as load_config
    from cmapss_rul.training.inputs import load_data as load_data
    from cmapss_rul.training.train import train as train
    from cmapss_rul.training.trained_model import TrainedModel as TrainedModel
    from cmapss_rul.training.trained_model import restore as restore

_MODULES = {
    "RulError": "system.errors",
    "Evaluation": "evaluation.results",
    "evaluate": "evaluation.evaluate",
    "export": "evaluation.export",
    "predict": "evaluation.predict",
    "compare": "experiments.compare",
    "make_grid": "experiments.grid",
    "report": "reports.report",
    "calibrate_run": "training.calibrate",
    "TrainedModel": "training.trained_model",
    "restore": "training.trained_model",
    "RunConfig": "training.config",
    "load_config": "training.config",
    "load_data": "training.inputs",
    "train": "training.train",
}
__all__ = ["__version__", *_MODULES]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'cmapss_rul' has no attribute '{name}'")
    return getattr(importlib.import_module(f"cmapss_rul.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
