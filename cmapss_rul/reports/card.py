"""MODEL_CARD.md: what a trained model is, what it is for, and where it ends."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cmapss_rul.data.labels import health_class_names
from cmapss_rul.display.markdown import escaped, table
from cmapss_rul.display.text import counted
from cmapss_rul.evaluation.evaluate import Evaluation
from cmapss_rul.evaluation.interval_table import interval_notes, interval_rows
from cmapss_rul.reports.metrics import figures_table, warnings_of, yardsticks_table
from cmapss_rul.reports.page import Table, made_by
from cmapss_rul.system.files import save_file
from cmapss_rul.training.trained_model import TrainedModel

CARD = "MODEL_CARD.md"


def write_card(folder: Path, model: TrainedModel, evaluation: Evaluation) -> Path:
    """Write the model card into the run's folder.

    Raises:
        RulError: it cannot be written.
    """
    path = folder / CARD
    save_file(path, card_of(folder.resolve().name, model, evaluation))
    return path


def card_of(name: str, model: TrainedModel, evaluation: Evaluation) -> str:
    """Say in Markdown what a model is.

    Args:
        name: of the run.
        model: what is described.
        evaluation: of it.
    """
    parts = [
        f"# Model card: {escaped(name)}",
        *(f"> **Note:** {escaped(text)}" for text in warnings_of(evaluation)),
        *_model(model, evaluation),
        *_use(model, evaluation),
        *_data(model, evaluation),
        "## Protocol",
        _two_columns(["choice", "here"], evaluation.protocol.lines()),
        "## Figures",
        _as_markdown(figures_table(evaluation)),
        _as_markdown(yardsticks_table(evaluation)),
        *_intervals(evaluation),
        "## Limits",
        "\n".join(f"- {escaped(limit)}" for limit in _limits(evaluation)),
        made_by(),
    ]
    return "\n\n".join(parts) + "\n"


def _model(model: TrainedModel, evaluation: Evaluation) -> Iterator[str]:
    protocol = evaluation.protocol
    size = sum(model.network.parameter_counts().values())
    classes = ", ".join(health_class_names(protocol.boundaries, protocol.cap))
    digest = hashlib.sha256(model.path.read_bytes()).hexdigest()
    attention = model.config.model.attention.name
    yield (
        f"A CNN → BiLSTM network with {size:,} parameters (attention: {attention}) that reads "
        f"the last {protocol.window} cycles of an engine's record and predicts its remaining "
        f"useful life (RUL) in cycles, from 0 to {protocol.cap}, and a health class (RUL "
        f"{escaped(classes)}). Trained with balancer {escaped(model.config.balancer.name)}, seed "
        f"{protocol.seed}; epoch {protocol.epoch}."
    )
    yield (
        f"Inputs: {escaped(', '.join(protocol.inputs))}. File: `{model.path.name}`, SHA-256 "
        f"`{digest}`."
    )


def _use(model: TrainedModel, evaluation: Evaluation) -> Iterator[str]:
    yield "## Intended use"
    predict = (
        "`rul predict` takes records of the same kind of engine with the same columns, and marks "
        "what training never saw."
    )
    if model.config.data.own:
        yield (
            f"Prediction for engines of the fleet it was trained on. {predict} The figures below "
            f"rest on {counted(evaluation.protocol.engines, 'engine')}: before anything is decided "
            "by it, it should be checked on more of them, and beside what is known of them "
            "otherwise."
        )
    else:
        yield (
            "Research and teaching on run-to-failure data, and comparison of methods on "
            f"{escaped(evaluation.protocol.subset)} under the protocol below. {predict} It is not "
            "made for decisions about real engines: nothing here was checked on any."
        )


def _data(model: TrainedModel, evaluation: Evaluation) -> Iterator[str]:
    protocol = evaluation.protocol
    yield "## Data"
    source = (
        " NASA's C-MAPSS files (A. Saxena and K. Goebel, 2008, Turbofan Engine Degradation "
        "Simulation Data Set): engines simulated by a thermodynamic model, not measured ones."
        if protocol.official
        else ""
    )
    kept = len(model.engines.calibration)
    calibrated = f"{kept} calibrated the intervals, " if kept else ""
    others = [f"all {count} of {name}" for name, count in protocol.auxiliary.items()]
    auxiliary = escaped("".join(f" and {other}" for other in others))
    yield (
        f"{escaped(protocol.subset)}, {escaped(protocol.files)}.{source} "
        f"{len(model.engines.training)} engines trained{auxiliary}, "
        f"{len(model.engines.validation)} chose the epoch, {calibrated}{protocol.engines} tested."
    )
    digests = [(name, file["sha256"]) for name, file in protocol.digest.items()]
    yield _two_columns(["file", "SHA-256"], digests)


def _intervals(evaluation: Evaluation) -> Iterator[str]:
    yield "## Intervals"
    for head, rows in interval_rows(evaluation.intervals):
        yield table(head, rows, right=range(1, len(head)))
    yield _two_columns(["what", "how"], interval_notes(evaluation.intervals))


def _limits(evaluation: Evaluation) -> Iterator[str]:
    protocol = evaluation.protocol
    yield f"A prediction of {protocol.cap} means '{protocol.cap} cycles or more'."
    raw = evaluation.metrics["last"]["raw"]["rmse"]
    floor = evaluation.floors["last"]["raw"]["rmse"]
    yield (
        f"On raw labels its RMSE on last windows is {raw:.2f} cycles; the cap alone costs "
        f"{floor:.2f}."
    )
    yield "One run with one seed: another seed may give another figure by more than the interval."
    yield (
        "Trained on the operating conditions and kinds of fault of its data alone; elsewhere its "
        "figures say nothing."
    )
    if protocol.padded:
        yield (
            f"{protocol.padded} of {protocol.engines} test records were shorter than the window "
            "and padded; predictions from so few cycles are less sure."
        )


def _as_markdown(found: Table) -> str:
    rows = [[escaped(cell) for cell in row] for row in found.rows]
    return f"{found.title}:\n\n{table(found.head, rows, right=range(1, len(found.head)))}"


def _two_columns(head: Sequence[str], pairs: Iterable[tuple[str, str]]) -> str:
    rows = [[escaped(cell) for cell in pair] for pair in pairs]
    return table(head, rows)
