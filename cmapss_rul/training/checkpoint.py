"""Checkpoints: one file of plain values and tensors, whole or not at all.

    format_version      of this layout
    versions            of package, torch and Python
    config              resolved, without paths
    data                subset, digest of the train file, official or not, mean label; the
                        same of auxiliary train files
    preprocessor        columns, conditions, centre, factor and ranges of the scaling
    split               numbers of the training, validation and calibration engines, and of
                        those set aside to test on
    model               weights that evaluation uses
    model_raw           weights that training goes on from, where they differ
    optimiser, schedule, balancer, balancer_optimiser
    rng                 of every generator
    loop                epoch, batch, step, sums, best, stale, history: see `LoopState`
    host                paths, device, threads, times: all that may differ between equal runs
    calibration         in best.pt: what the intervals are made of, see `Calibration`

The file ends with a SHA-256 of all bytes before it, which is checked before anything is
unpickled: see `sealed`. What the parts must hold is said in `parts`.
"""

import math
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from cmapss_rul.config.explain import explain
from cmapss_rul.data.preprocess import Preprocessor
from cmapss_rul.display.text import one_line, printable
from cmapss_rul.intervals.calibration import Calibration
from cmapss_rul.model.network import Network
from cmapss_rul.system.errors import CheckpointError
from cmapss_rul.system.files import write_verified
from cmapss_rul.training.checkpoint_file import open_sealed, seal
from cmapss_rul.training.checkpoint_schema import check_parts, check_preprocessor, check_weights
from cmapss_rul.training.config import RunConfig
from cmapss_rul.version import __version__

FORMAT_VERSION = 1
BEST = "best.pt"
"""Name of the checkpoint that a run folder stands for."""

PARTS = ("versions", "config", "data", "preprocessor", "split", "model", "loop", "host")
"""Top-level keys without which a checkpoint is of no use."""


def versions() -> dict[str, str]:
    """Versions that a figure depends on."""
    return {
        "cmapss_rul": __version__,
        "torch": str(torch.__version__),  # a text: its own class is no plain value
        "python": platform.python_version(),
    }


def write(path: Path, content: dict[str, Any], former: Path | None = None) -> None:
    """Write a checkpoint in one step, after it was read back.

    Args:
        path: where it will stand.
        content: plain dicts, lists, numbers, strings and tensors.
        former: the name under which the checkpoint that stood there is kept, if any.
    """
    write_verified(path, seal(content), former)


def read(path: Path) -> dict[str, Any]:
    """Read a checkpoint that is whole, of this format, and free of code.

    Raises:
        CheckpointError: with the path and what is wrong with the file.
    """
    name = printable(path)
    if not path.exists():
        raise CheckpointError(f"{name}: there is no such checkpoint{_beside(path)}")
    return _of_this_format(open_sealed(path), name)


def _of_this_format(content: Any, name: str) -> dict[str, Any]:
    found = content.get("format_version") if isinstance(content, dict) else None
    if type(found) is not int or found != FORMAT_VERSION:  # a tensor answers with a tensor
        raise CheckpointError(
            f"{name}: found checkpoint format {printable(found)}, expected {FORMAT_VERSION}; "
            "train again, or use the version of cmapss_rul that wrote it"
        )
    missing = [part for part in PARTS if not isinstance(content.get(part), dict)]
    if missing:
        raise CheckpointError(f"{name}: without its part {missing[0]}; train again")
    return dict(content)


MISSHAPEN = (LookupError, TypeError, ValueError, OverflowError, AttributeError)
"""What values raise that are missing or have another shape than expected."""


@contextmanager
def whole_parts(path: Path) -> Iterator[None]:
    """Turn what a missing or misshapen part of a checkpoint raises into a CheckpointError.

    An odd value is taken or refused in that one line: torch's warnings about it are kept in.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (*MISSHAPEN, RuntimeError) as error:
        raise CheckpointError(
            f"{printable(path)}: a part is missing or has another shape: {one_line(error)[:200]}; "
            "train again, or use the version of cmapss_rul that wrote it"
        ) from error


def _beside(path: Path) -> str:
    if not path.parent.is_dir():
        return f" (and no folder {printable(path.parent)})"
    found = sorted(printable(other.name) for other in path.parent.glob("*.pt"))
    return f"; its folder holds {', '.join(found) if found else 'no checkpoint'}"


def config_of(content: dict[str, Any], path: Path) -> RunConfig:
    """Validate the configuration in a checkpoint, with the path to the data put back.

    Raises:
        CheckpointError: when this version of the package does not take it.
    """
    with whole_parts(path):
        check_parts(content)
        plain = {**content["config"]}
        files = content["host"].get("files", {})
        plain["data"] = {**plain["data"], "dir": content["host"]["data_dir"], **files}
    try:
        return RunConfig.model_validate(plain)
    except ValidationError as error:
        raise CheckpointError(
            f"{printable(path)}: its configuration is not valid for this version of cmapss_rul "
            f"({explain(error, RunConfig)}); train again, or use the version "
            f"{printable(content['versions']['cmapss_rul'])} that wrote it"
        ) from error


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A checkpoint, ready to predict.

    Attributes:
        path: of the checkpoint.
        config: of the run.
        network: in evaluation mode, with the weights that evaluation uses.
        preprocessor: fitted on the training engines.
        data: `subset` (or the name of a user's own file), `name`, `sha256`, `canonical_sha256`,
            `official`, `simulated` of the train file; `mean_label`, the mean capped label over
            all its rows but those of engines set aside to test on, cycles; and `auxiliary`, the
            same of other subsets' train files, with their `engines`.
        training_engines: numbers of the engines that trained.
        validation_engines: numbers of the engines that chose the epoch.
        calibration_engines: numbers of the engines kept for the intervals; mostly none.
        test_engines: numbers of the engines that were set aside in the train file, if any.
        epoch: finished epochs.
        best_epoch: the epoch that validation had chosen by then.
        val_rmse: over every cycle of the validation engines, capped labels, cycles.
        versions: of package, torch and Python at training.
        calibration: what the intervals are made of; None where there are none.
    """

    path: Path
    config: RunConfig
    network: Network
    preprocessor: Preprocessor
    data: dict[str, Any]
    training_engines: list[int]
    validation_engines: list[int]
    calibration_engines: list[int]
    test_engines: list[int]
    epoch: int
    best_epoch: int
    val_rmse: float
    versions: dict[str, str]
    calibration: Calibration | None = None


def restore(path: Path | str, device: torch.device | str = "cpu") -> TrainedModel:
    """Load a checkpoint for prediction.

    Args:
        path: a checkpoint, or a run folder, which means its `best.pt`.
        device: where the network will compute.

    Raises:
        CheckpointError: with the path and what is wrong with the file.
    """
    path = Path(path)
    path = path / BEST if path.is_dir() else path
    return from_content(read(path), path, device)


def from_content(
    content: dict[str, Any], path: Path, device: torch.device | str = "cpu"
) -> TrainedModel:
    """Make a trained model of a checkpoint's content.

    Raises:
        CheckpointError: with the path and what is wrong with the content.
    """
    with whole_parts(path):
        config = config_of(content, path)
        check_preprocessor(content["preprocessor"], config)
        check_weights(content["model"], config.outline().state_dict())
        preprocessor = Preprocessor.from_state(content["preprocessor"], config.data)
        network = build_network(config, preprocessor)
        network.load_state_dict(content["model"])
        entry = content.get("calibration")
        history = content["loop"]["history"] or [{"epoch": 0, "val_rmse": math.inf}]
        return TrainedModel(
            path=path,
            config=config,
            network=network.to(device).eval(),
            preprocessor=preprocessor,
            data=content["data"],
            training_engines=content["split"]["training"],
            validation_engines=content["split"]["validation"],
            calibration_engines=content["split"].get("calibration", []),
            test_engines=content["split"].get("test", []),
            epoch=history[-1]["epoch"],
            best_epoch=content["loop"]["best_epoch"],
            val_rmse=history[-1]["val_rmse"],
            versions=content["versions"],
            calibration=None if entry is None else Calibration.model_validate(entry),
        )


def build_network(config: RunConfig, preprocessor: Preprocessor) -> Network:
    """Build the network that fits the data, with fresh weights."""
    features = len(preprocessor.features)
    return config.model.build(features, config.loss.health.classes, config.data.cap)
