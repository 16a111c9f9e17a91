"""A trained model as a file that runs without this package: ONNX, or torch.export's own."""

import hashlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from cmapss_rul.data.fleet import Fleet
from cmapss_rul.evaluation.evaluate import unseen_by
from cmapss_rul.evaluation.intervals import about, ends_of, level_of
from cmapss_rul.evaluation.portable import Inputs, Portable, inputs_of
from cmapss_rul.evaluation.predictions import predict_fleet
from cmapss_rul.evaluation.protocol import Protocol
from cmapss_rul.evaluation.save import tag_of
from cmapss_rul.system.errors import RulError
from cmapss_rul.system.files import save_file
from cmapss_rul.system.text import printable
from cmapss_rul.training.trained_model import TrainedModel

Format = Literal["onnx", "torch-export"]
SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "torch-export": ".pt2"}
OUTPUTS = ("rul", "health", "rul_lower", "rul_upper")
"""The last two are those of a calibrated model."""

TOLERANCE = 0.05
"""Cycles by which an exported model may differ from the Python model."""

_BATCH = 64

Runner = Callable[[Inputs], list[NDArray[np.float32]]]


@dataclass(frozen=True)
class Parity:
    """How far an exported model lies from the Python model, over the test engines.

    Attributes:
        engines: number of test engines; the last window of each is compared.
        rul: largest difference, cycles.
        health: largest difference of a probability.
        interval: largest difference of either end from that of the Python interval around the
            exported RUL, cycles; None where the model has no intervals.
    """

    engines: int
    rul: float
    health: float
    interval: float | None = None

    @property
    def worst(self) -> float:
        """The largest difference in cycles, NaN if any is."""
        return float(np.max([self.rul, self.interval or 0.0]))


def default_path(checkpoint: Path, format: Format) -> Path:
    """Name the export of a checkpoint, beside it.

    >>> default_path(Path("runs/fd001-s0/best.pt"), "onnx").name
    'model.onnx'
    """
    return checkpoint.with_name(f"model{tag_of(checkpoint)}{SUFFIXES[format]}")


def export(
    model: TrainedModel,
    format: Format,
    path: Path,
    *,
    data_dir: Path | None = None,
    progress: bool = True,
) -> Parity:
    """Export a model, compare it with the Python model, and save it if it passes.

    The comparison runs the very bytes that are saved, over the test engines, whose file is
    fetched where it is missing; the RUL file is not needed.

    Args:
        model: on the CPU.
        format: 'onnx', or 'torch-export' for `torch.export.load`.
        path: where the file will stand.
        data_dir: folder of the text files; that of the configuration by default.
        progress: whether a download shows how far it is, on stderr.

    Raises:
        DataError: the test file cannot be got or cannot be read.
        RulError: a package is missing, the model cannot be exported, the file cannot be
            written, or the two models differ by more than 0.05 cycles; nothing is written then.
    """
    tested = unseen_by(model, data_dir, labels=False, progress=progress)
    fleet = tested.fleet
    metadata = metadata_of(model, Protocol.of(model, tested))
    try:
        with _quiet():
            exported = _exported(model, fleet)
            content = {"onnx": _onnx, "torch-export": _saved}[format](exported, metadata)
            run = {"onnx": _onnx_runner, "torch-export": _saved_runner}[format](content)
    except ImportError as error:
        raise RulError(
            f"exporting needs {printable(error.name)}; pip install 'cmapss_rul[export]'"
        ) from error
    parity = parity_of(model, fleet, run)
    if not parity.worst <= TOLERANCE:  # NaN fails too
        raise RulError(
            f"the exported model differs from the Python model by {parity.worst:.3g} cycles over "
            f"{parity.engines} test engines, expected at most {TOLERANCE}; nothing was written"
        )
    save_file(path, content)
    return parity


def metadata_of(model: TrainedModel, protocol: Protocol) -> dict[str, str]:
    """What an exported file says about itself; every value is JSON.

    `columns` of the rows, `window`, `cap`, `boundaries`, `inputs` and `outputs` in words,
    `digest` (SHA-256 of the checkpoint), `protocol`, and `intervals`: the level of `rul_lower` and
    `rul_upper`, and what it promises; null where there are none.
    """
    data = model.config.data
    columns = data.raw_columns
    shape = f"[batch, {data.window}, {len(columns)}]"
    inputs = {
        "window": f"float32 {shape}: the latest rows, raw, in the order of columns",
        "cycle": "int64 [batch]: cycle number of the window's last row",
        "valid_length": "int64 [batch]: rows that are there, at the end; others are ignored",
    }
    if data.smoothing is not None:
        inputs["history"] = (
            f"float32 [batch, any, {len(columns)}]: the rows before the window; valid_length "
            "counts them too"
        )
    outputs = {
        "rul": f"float32 [batch]: cycles, clamped to [0, {data.cap}]",
        "health": "float32 [batch, class]: probabilities, the healthiest class first",
    }
    intervals = about(model)
    if intervals is not None:
        end = f"end of the interval at level {intervals['level']:g}, cycles"
        outputs["rul_lower"] = f"float32 [batch]: lower {end}"
        outputs["rul_upper"] = f"float32 [batch]: upper {end}; {data.cap} means that or more"
    content = {
        "columns": columns,
        "window": data.window,
        "cap": data.cap,
        "boundaries": model.config.loss.health.boundaries,
        "inputs": inputs,
        "outputs": outputs,
        "digest": hashlib.sha256(model.path.read_bytes()).hexdigest(),
        "protocol": protocol.as_dict(),
        "intervals": intervals,
    }
    return {key: json.dumps(value, ensure_ascii=False) for key, value in content.items()}


def parity_of(model: TrainedModel, fleet: Fleet, run: Runner) -> Parity:
    """Compare an exported model with the Python model at the last row of each engine."""
    rows = fleet.last_rows
    expected = predict_fleet(model, fleet, rows)
    parts = np.array_split(np.arange(len(rows)), -(-len(rows) // _BATCH))
    found = [run(inputs_of(model, fleet, rows[part])) for part in parts]
    rul, health, *ends = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    level = level_of(model)
    return Parity(
        engines=len(rows),
        rul=float(np.abs(rul - expected.rul).max()),
        health=float(np.abs(health - expected.probabilities).max()),
        interval=None
        if level is None
        else float(np.abs(np.array(ends) - ends_of(model, rul.astype(np.float64), level)).max()),
    )


def _exported(model: TrainedModel, fleet: Fleet) -> torch.export.ExportedProgram:
    """Trace the graph with two engines; batch and history may then have any length."""
    rows = np.resize(fleet.last_rows, 2)
    example = inputs_of(model, fleet, rows).there()
    if "history" in example:  # as many rows as the window at least: 0 and 1 trace differently
        example["history"] = torch.zeros(2, model.config.data.window, len(fleet.columns))
    batch = torch.export.Dim("batch", min=1)
    shapes: dict[str, dict[int, Any]] = {name: {0: batch} for name in example}
    if "history" in example:
        shapes["history"][1] = torch.export.Dim("history", min=1)
    return torch.export.export(Portable(model), (), example, dynamic_shapes=shapes, strict=False)


def _onnx(exported: torch.export.ExportedProgram, metadata: dict[str, str]) -> bytes:
    import onnx
    import onnxscript  # noqa: F401  # torch.onnx needs it, and would say so less plainly

    names = OUTPUTS[: len(exported.graph_signature.user_outputs)]
    program = torch.onnx.export(exported, dynamo=True, output_names=names, verbose=False)
    assert program is not None
    proto = program.model_proto
    for key, value in metadata.items():
        proto.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString())


def _onnx_runner(content: bytes) -> Runner:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(inputs: Inputs) -> list[NDArray[np.float32]]:
        plain = {name: value.numpy() for name, value in inputs.there().items()}
        return list(session.run(None, plain))

    return run


def _saved(exported: torch.export.ExportedProgram, metadata: dict[str, str]) -> bytes:
    file = io.BytesIO()
    torch.export.save(exported, file, extra_files=dict(metadata))
    return file.getvalue()


def _saved_runner(content: bytes) -> Runner:
    module = torch.export.load(io.BytesIO(content)).module()

    def run(inputs: Inputs) -> list[NDArray[np.float32]]:
        with torch.inference_mode():
            return [part.numpy() for part in module(**inputs.there())]

    return run


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' warnings about themselves from people who cannot act on them."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
