"""Export of a trained model to ONNX or torch.export, which run without this package."""

import dataclasses
import hashlib
import importlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from cmapss_rul.data.fleet import Fleet
from cmapss_rul.evaluation.evaluate import read_test_engines
from cmapss_rul.evaluation.export_graph import ExportGraph, GraphInputs, graph_inputs
from cmapss_rul.evaluation.intervals import (
    check_estimate,
    estimated_rul,
    interval_bounds,
    interval_facts,
    interval_level,
)
from cmapss_rul.evaluation.predictions import predict_fleet
from cmapss_rul.evaluation.protocol import Protocol
from cmapss_rul.evaluation.save import name_suffix
from cmapss_rul.intervals.estimate import Estimate
from cmapss_rul.system.errors import RulError, UsageError
from cmapss_rul.system.files import save_file
from cmapss_rul.training.trained_model import TrainedModel, as_model

Format = Literal["onnx", "torch-export"]
SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "torch-export": ".pt2"}
OUTPUTS = ("rul", "health", "rul_lower", "rul_upper")
"""Outputs of the graph; the last two only for a calibrated model."""

TOLERANCE = 0.05
"""Maximum difference between the RUL of the exported and the Python model, cycles."""

# differs from the batch size of the trace, so that a fixed batch size would fail here
_BATCH = 64

Runner = Callable[[GraphInputs], list[NDArray[np.float32]]]


@dataclass(frozen=True)
class Parity:
    """Differences between the exported and the Python model over the test engines.

    Attributes:
        engines: number of test engines; their last windows are compared.
        rul: largest difference, cycles.
        health: largest difference of a probability.
        interval: largest difference of a bound, given the exported RUL, cycles; None without
            intervals.
    """

    engines: int
    rul: float
    health: float
    interval: float | None = None

    @property
    def worst(self) -> float:
        """The largest difference in cycles; NaN if any is NaN."""
        # np.max propagates NaN, unlike Python's max
        return float(np.max([self.rul, self.interval or 0.0]))


def default_path(checkpoint: Path, format: Format) -> Path:
    """Return the default path of the export of a checkpoint, in the same folder.

    >>> default_path(Path("runs/fd001-s0/best.pt"), "onnx").name
    'model.onnx'
    """
    return checkpoint.with_name(f"model{name_suffix(checkpoint)}{SUFFIXES[format]}")


def export(
    run_or_model: TrainedModel | PathLike[str] | str,
    format: Format = "onnx",
    path: PathLike[str] | str | None = None,
    *,
    estimate: Estimate = "rmse",
    data_dir: Path | str | None = None,
    progress: bool = True,
) -> Parity:
    """Export a model, compare it with the Python model, and save it if they agree.

    The comparison runs the exported bytes on the test engines, whose file is downloaded if
    missing; the RUL file is not needed.

    Args:
        run_or_model: a trained model on the CPU, or the path of a run or checkpoint.
        format: 'onnx', or 'torch-export' for `torch.export.load`.
        path: path of the new file; by default `default_path`.
        estimate: point estimate of output `rul`: 'rmse', that of the network, or 'nasa', the
            one with the lowest expected NASA score.
        data_dir: folder of the text files; by default that of the configuration.
        progress: whether to show the progress of a download on stderr.

    Returns:
        The largest differences from the Python model.

    Raises:
        UsageError: the format is unknown, or the model has no such estimate.
        DataError: the test file cannot be obtained or read.
        RulError: a package is missing, the model cannot be exported, the file cannot be
            written, or the two models differ by more than 0.05 cycles; nothing is written then.

    >>> import cmapss_rul
    >>> cmapss_rul.export("runs/demo-s0", "torch-export").rul < 0.05
    True
    >>> Path("runs/demo-s0/model.pt2").exists()
    True
    """
    if format not in SUFFIXES:
        raise UsageError(f"format '{format}': expected one of {', '.join(SUFFIXES)}")
    model = as_model(run_or_model)
    check_estimate(model, estimate)
    path = default_path(model.path, format) if path is None else Path(path)
    tested = read_test_engines(model, data_dir, labels=False, progress=progress)
    fleet = tested.fleet
    metadata = export_metadata(model, Protocol.of(model, tested), estimate)
    convert = _to_onnx if format == "onnx" else _to_torch_export
    load = _onnx_runner if format == "onnx" else _torch_export_runner
    try:
        with _silence_exporter_warnings():
            for package in ("onnx", "onnxscript", "onnxruntime") if format == "onnx" else ():
                importlib.import_module(package)  # fail before the trace, which takes seconds
            content = convert(_trace(model, fleet, estimate), metadata)
            run = load(content)
    except ImportError as error:
        raise RulError(f"exporting needs {error.name}; pip install 'cmapss_rul[export]'") from error
    parity = measure_parity(model, fleet, run, estimate)
    if not parity.worst <= TOLERANCE:  # NaN fails too
        raise RulError(
            f"the exported model differs from the Python model by {parity.worst:.3g} "
            f"{model.config.data.unit} over {parity.engines} test engines, expected at most "
            f"{TOLERANCE}; nothing was written"
        )
    check_broken_inputs(model, fleet, run)
    save_file(path, content)
    return parity


def export_metadata(
    model: TrainedModel, protocol: Protocol, estimate: Estimate = "rmse"
) -> dict[str, str]:
    """Return the metadata of an export; every value is JSON.

    `columns` of the rows, `window`, `cap`, `boundaries`, descriptions of `inputs` and `outputs`,
    `digest` (SHA-256 of the checkpoint), `protocol`, `estimate`, and `intervals`: level and
    guarantee of `rul_lower` and `rul_upper`, or null.
    """
    data = model.config.data
    columns = data.raw_columns
    shape = f"[batch, {data.window}, {len(columns)}], a batch of one or more"
    inputs = {
        "window": f"float32 {shape}: the latest rows, raw, in the order of columns",
        "cycle": "int64 [batch]: cycle number of the window's last row",
        "valid_length": "int64 [batch]: number of valid rows, the last ones; others are ignored",
    }
    if not data.consecutive:
        inputs["cycle"] = f"float64 [batch, {data.window}]: {data.unit} of each row of the window"
    if data.smoothing is not None or data.missing == "hold":
        rows = "rows" if data.smoothing is not None else f"{data.max_hold} rows or fewer"
        inputs["history"] = (
            f"float32 [batch, any, {len(columns)}]: the {rows} right before the window; "
            "valid_length counts them too"
        )
    outputs = {
        "rul": f"float32 [batch]: {data.unit}, clamped to [0, {data.cap}]"
        + (", the estimate with the lowest expected NASA score" if estimate == "nasa" else "")
        + "; NaN, as all outputs of "
        "the engine, where a valid row has a NaN or an infinite value in a column that is used"
        + (f"; NaN within {data.max_hold} rows is held" if data.missing == "hold" else ""),
        "health": "float32 [batch, class]: probabilities, the healthiest class first",
    }
    intervals = interval_facts(model)
    if intervals is not None:
        bound = f"bound of the interval at level {intervals.level:g}, {data.unit}"
        outputs["rul_lower"] = f"float32 [batch]: lower {bound}"
        outputs["rul_upper"] = f"float32 [batch]: upper {bound}; {data.cap} means that or more"
    content = {
        "columns": columns,
        "window": data.window,
        "cap": data.cap,
        "boundaries": model.config.loss.health.boundaries,
        "inputs": inputs,
        "outputs": outputs,
        "digest": hashlib.sha256(model.path.read_bytes()).hexdigest(),
        "protocol": protocol.as_dict(),
        "estimate": estimate,
        "intervals": intervals and dataclasses.asdict(intervals),
    }
    return {key: json.dumps(value, ensure_ascii=False) for key, value in content.items()}


def measure_parity(
    model: TrainedModel, fleet: Fleet, run: Runner, estimate: Estimate = "rmse"
) -> Parity:
    """Compare an exported model with the Python model at the last row of each engine."""
    rows = fleet.last_rows
    expected = predict_fleet(model, fleet, rows)
    parts = np.array_split(np.arange(len(rows)), -(-len(rows) // _BATCH))
    found = [run(graph_inputs(model, fleet, rows[part])) for part in parts]
    # bounds for the exported RUL, so that its own difference does not count twice
    rul, health, *bounds = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    level = interval_level(model)
    interval = None
    if level is not None:
        around = rul.astype(np.float64) if estimate == "rmse" else expected.rul
        differences = np.array(bounds) - interval_bounds(model, around, level)
        interval = float(np.abs(differences).max())
    return Parity(
        engines=len(rows),
        rul=float(np.abs(rul - estimated_rul(model, expected.rul, estimate)).max()),
        health=float(np.abs(health - expected.probabilities).max()),
        interval=interval,
    )


def check_broken_inputs(model: TrainedModel, fleet: Fleet, run: Runner) -> None:
    """Check that an exported model returns NaN for invalid records, and only for these.

    Runs a batch of two: the first test engine, with an infinite value or NaN in its oldest or
    newest row, and the same engine at its first row, whose ignored earlier rows are NaN.

    Raises:
        RulError: an output of the invalid record is finite, or one of the valid record is not.
    """
    # one column suffices: the graph checks all of them in a single expression
    name = model.preprocessor.columns[0]
    column, holds = fleet.columns.index(name), model.config.data.missing == "hold"
    inputs = graph_inputs(model, fleet, np.array([fleet.last_rows[0], fleet.starts[0]]))
    newest = inputs.length - 1
    oldest = inputs.length - min(int(inputs.valid_length[0]), model.config.data.window)
    cells: list[tuple[int | slice, float]] = [(oldest, np.inf), (newest, np.inf)]
    # with `hold`, a single NaN is filled
    cells += [(slice(None), np.nan)] if holds else [(oldest, np.nan), (newest, np.nan)]
    for row, value in cells:
        outputs = run(inputs.with_value(row, column, value))
        broken, whole = (np.hstack(parts) for parts in zip(*outputs, strict=True))
        if np.isfinite(broken).any() or not np.isfinite(whole).all():
            raise RulError(
                f"the exported model does not give NaN exactly where {name} is {value}; nothing "
                "was written: report this as a bug"
            )


def _trace(model: TrainedModel, fleet: Fleet, estimate: Estimate) -> torch.export.ExportedProgram:
    """Trace the graph with two engines, and dynamic batch size and history length, at least 1.

    Not 0: the LSTM of ONNX Runtime 1.32 aborts the process on an empty batch (*measured*).
    """
    # np.resize repeats the engine if there is only one
    rows = np.resize(fleet.last_rows, 2)
    example = graph_inputs(model, fleet, rows).named()
    if "history" in example:  # the tracer specialises lengths 0 and 1, so use a longer one
        example["history"] = torch.zeros(2, model.config.data.window, len(fleet.columns))
    batch = torch.export.Dim("batch", min=1)
    shapes: dict[str, dict[int, Any]] = {name: {0: batch} for name in example}
    if "history" in example:
        shapes["history"][1] = torch.export.Dim("history", min=1)
    program = torch.export.export(
        ExportGraph(model, estimate), (), example, dynamic_shapes=shapes, strict=False
    )
    for node in program.graph.nodes:  # contains paths of source files on this machine
        node.meta.pop("stack_trace", None)
    return program


def _to_onnx(exported: torch.export.ExportedProgram, metadata: dict[str, str]) -> bytes:
    import onnx

    # without intervals, only the first two outputs exist
    names = OUTPUTS[: len(exported.graph_signature.user_outputs)]
    program = torch.onnx.export(exported, dynamo=True, output_names=names, verbose=False)
    assert program is not None
    proto = program.model_proto
    _strip_debug_info(proto.graph)
    for key, value in metadata.items():
        proto.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString())


def _strip_debug_info(graph: Any) -> None:
    """Remove stack traces, scopes and doc strings from an ONNX graph, recursively.

    They contain paths of source files on this machine; runtimes ignore them.
    """
    values = (graph.node, graph.input, graph.output, graph.value_info, graph.initializer)
    for entry in (graph, *(entry for entries in values for entry in entries)):
        del entry.metadata_props[:]
        entry.ClearField("doc_string")
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        subgraphs = [attribute.g] if attribute.HasField("g") else attribute.graphs
        for subgraph in subgraphs:
            _strip_debug_info(subgraph)


def _onnx_runner(content: bytes) -> Runner:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(inputs: GraphInputs) -> list[NDArray[np.float32]]:
        plain = {name: value.numpy() for name, value in inputs.named().items()}
        return list(session.run(None, plain))

    return run


def _to_torch_export(exported: torch.export.ExportedProgram, metadata: dict[str, str]) -> bytes:
    file = io.BytesIO()
    torch.export.save(exported, file, extra_files=dict(metadata))
    return file.getvalue()


def _torch_export_runner(content: bytes) -> Runner:
    module = torch.export.load(io.BytesIO(content)).module()

    def run(inputs: GraphInputs) -> list[NDArray[np.float32]]:
        with torch.inference_mode():
            return [part.numpy() for part in module(**inputs.named())]

    return run


@contextmanager
def _silence_exporter_warnings() -> Iterator[None]:
    """Silence warnings of the exporters about their own code."""
    logger = logging.getLogger("torch.onnx")  # logs, too, which catch_warnings does not catch
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
