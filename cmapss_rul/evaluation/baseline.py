"""Gradient boosting baseline of a run: fitted on request, and stored for later evaluations.

`rul evaluate --baseline` writes `baseline.json` to the run folder. Later evaluations and reports
of the run read it, so that they need neither the training file nor scikit-learn.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from cmapss_rul.display.text import finite, json_text
from cmapss_rul.evaluation.evaluate import evaluate
from cmapss_rul.evaluation.results import Baseline, ByLabels, ByWindows, Evaluation
from cmapss_rul.evaluation.results import RulMetrics as Metrics
from cmapss_rul.system.errors import DataError
from cmapss_rul.system.files import write_atomic
from cmapss_rul.training.gradient_boosting import (
    LENGTHS,
    BoostingFit,
    fit_gradient_boosting,
    fit_inputs,
)
from cmapss_rul.training.inputs import find_train_files, read_train_files
from cmapss_rul.training.trained_model import TrainedModel

FILE = "baseline.json"
_METRICS = TypeAdapter(ByWindows[ByLabels[Metrics]])


def evaluate_baseline(
    model: TrainedModel, data_dir: Path | str | None = None, *, progress: bool = True
) -> tuple[Evaluation, BoostingFit]:
    """Fit gradient boosting on the training file of a run, and evaluate it on the test set.

    Raises:
        UsageError: scikit-learn is not installed.
        DataError: a file cannot be obtained, or the training file has changed since the run.
    """
    config = model.config.with_data_dir(data_dir)
    files = read_train_files(config, find_train_files(config))
    _, found = files[0]
    if found.canonical_sha256 != model.data.canonical_sha256:  # before the slow fit
        raise DataError(
            f"{model.data.name}: has changed since the training, so the baseline would be fitted "
            "on other rows; restore the former file, or train again"
        )
    boosted = fit_gradient_boosting(config, model.path, files=files)
    assert boosted.fit is not None
    return evaluate(boosted, progress=progress), boosted.fit


def store_baseline(model: TrainedModel, evaluation: Evaluation, fit: BoostingFit) -> Path:
    """Write the metrics of the baseline to the run folder."""
    content = {
        "fit": fit.model_dump(),
        "metrics": dataclasses.asdict(evaluation.metrics),
        "protocol": _identity(model, evaluation),
    }
    path = model.path.parent / FILE
    write_atomic(path, json_text(finite(content)) + "\n")
    return path


def with_stored_baseline(model: TrainedModel, evaluation: Evaluation) -> Evaluation:
    """Add the stored baseline, if there is one, to an evaluation of its run.

    A baseline of other data, another split or another seed is ignored.
    """
    try:
        stored = json.loads((model.path.parent / FILE).read_bytes())
        if fit_inputs(model.config, stored["protocol"]) != _identity(model, evaluation):
            return evaluation
        fit = BoostingFit.model_validate(stored["fit"])
        metrics = _METRICS.validate_python(stored["metrics"])
    except (OSError, ValueError, LookupError, TypeError):  # optional, so never an error
        return evaluation
    description = _describe(fit, evaluation.protocol.row)
    found = Baseline(description, oracle=False, metrics=metrics, fit=fit)
    baselines = dataclasses.replace(evaluation.baselines, gradient_boosting=found)
    return dataclasses.replace(evaluation, baselines=baselines)


def _identity(model: TrainedModel, evaluation: Evaluation) -> dict[str, Any]:
    """Return everything that the baseline's metrics depend on, as in the JSON."""
    digests = {name: file.canonical_sha256 for name, file in evaluation.protocol.digest.items()}
    return {**fit_inputs(model.config), "digests": digests}


def _describe(fit: BoostingFit, row: str) -> str:
    *shorter, longest = LENGTHS
    return (
        f"{fit.trees} trees of {fit.leaves} leaves on {fit.statistics} statistics of the last "
        f"{', '.join(map(str, shorter))} and {longest} {row}s, chosen on the same validation "
        f"engines (RMSE at random cuts "
        f"{fit.val_cut_rmse:.2f}); {fit.seconds:.0f} s"
    )
