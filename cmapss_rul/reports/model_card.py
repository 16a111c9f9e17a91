"""MODEL_CARD.md: model, intended use, data, results and limitations."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cmapss_rul.data.labels import health_class_names
from cmapss_rul.display.table import Table, to_markdown
from cmapss_rul.display.table import escape_markdown as escape
from cmapss_rul.display.text import counted
from cmapss_rul.evaluation.headline import warnings_of
from cmapss_rul.evaluation.results import Evaluation
from cmapss_rul.evaluation.tables import (
    baselines_table,
    coverage_tables,
    intervals_table,
    metrics_table,
    protocol_table,
)
from cmapss_rul.reports.page import generator_note
from cmapss_rul.system.files import save_file
from cmapss_rul.training.trained_model import TrainedModel

CARD = "MODEL_CARD.md"


_CITATIONS = {
    "C-MAPSS": "A. Saxena and K. Goebel, 2008, Turbofan Engine Degradation Simulation Data Set",
    "N-CMAPSS": "M. Arias Chao, C. Kulkarni, K. Goebel and O. Fink, 2021, Aircraft Engine "
    "Run-to-Failure Dataset under Real Flight Conditions",
}


def write_card(folder: Path, model: TrainedModel, evaluation: Evaluation) -> Path:
    """Write the model card into the run folder; RulError if that fails."""
    # beside the checkpoint that it describes, even if the report is written elsewhere
    path = folder / CARD
    save_file(path, model_card(folder.resolve().name, model, evaluation))
    return path


def model_card(name: str, model: TrainedModel, evaluation: Evaluation) -> str:
    """Render the model card of a run in Markdown."""
    parts = [
        # names of the user's folders and files may contain markup
        f"# Model card: {escape(name)}",
        *(f"> **Note:** {escape(text)}" for text in warnings_of(evaluation)),
        *_model(model, evaluation),
        *_use(model, evaluation),
        *_data(model, evaluation),
        "## Results",
        to_markdown(metrics_table(evaluation)),
        to_markdown(baselines_table(evaluation)),
        "## Evaluation protocol",
        # without its title, which would repeat the heading
        to_markdown(replace(protocol_table(evaluation), title="")),
        "## Prediction intervals",
        *map(to_markdown, coverage_tables(evaluation)),
        to_markdown(replace(intervals_table(evaluation.intervals), title="")),
        "## Limitations",
        "\n".join(f"- {escape(limit)}" for limit in _limits(evaluation)),
        generator_note(),
    ]
    return "\n\n".join(parts) + "\n"


def _model(model: TrainedModel, evaluation: Evaluation) -> Iterator[str]:
    protocol = evaluation.protocol
    size = sum(model.network.parameter_counts().values())
    classes = ", ".join(health_class_names(protocol.boundaries, protocol.cap))
    # identifies the weights if the card is shared without them
    digest = hashlib.sha256(model.path.read_bytes()).hexdigest()
    attention = model.config.model.attention.name
    networks = f"A CNN → BiLSTM network with {size:,} parameters"
    if protocol.ensemble is not None:
        networks = (
            f"An {protocol.ensemble}: the mean of {protocol.ensemble.folds} CNN → BiLSTM networks "
            f"with {size:,} parameters in all"
        )
    yield (
        f"{networks} (attention: {attention}) that reads "
        f"the last {protocol.span} of an engine's record and predicts its "
        f"remaining useful life (RUL) in {protocol.unit}, from 0 to {protocol.cap}, and a health "
        f"class: {escape(classes)}. Trained with balancer {escape(model.config.balancer.name)}; "
        f"{protocol.source}."
    )
    yield (
        f"Inputs: {escape(', '.join(protocol.inputs))}. File: `{model.path.name}`, SHA-256 "
        f"`{digest}`."
    )


def _use(model: TrainedModel, evaluation: Evaluation) -> Iterator[str]:
    yield "## Intended use"
    predict = (
        "`rul predict` accepts records of the same engine type with the same columns, and flags "
        "inputs outside the training range."
    )
    if model.config.data.own:
        yield (
            f"Prediction for engines of the fleet it was trained on. {predict} The results below "
            f"are based on {counted(evaluation.protocol.engines, 'engine')}: before using it for "
            "decisions, validate it on more engines and against other evidence."
        )
    else:
        yield (
            "Research and teaching on run-to-failure data, and comparison of methods on "
            f"{escape(evaluation.protocol.subset)} under the protocol below. {predict} Not "
            "intended for decisions about real engines: it was not validated on any."
        )


def _data(model: TrainedModel, evaluation: Evaluation) -> Iterator[str]:
    protocol = evaluation.protocol
    yield "## Data"
    source = (
        f" NASA's {protocol.data_set} files ({_CITATIONS[protocol.data_set]}): engines simulated "
        "with a thermodynamic model, not measured."
        if protocol.official
        else ""
    )
    calibration = len(model.engines.calibration)
    calibrated = f"{calibration} for calibration of the intervals, " if calibration else ""
    others = [f"all {count} of {name}" for name, count in protocol.auxiliary.items()]
    auxiliary = escape("".join(f" and {other}" for other in others))
    used = (
        f"{len(model.engines.training)} engines for training{auxiliary}, "
        f"{len(model.engines.validation)} for selection of the epoch, {calibrated}"
    )
    if protocol.ensemble is not None:
        used = (
            f"{len(model.engines.training)} engines for training{auxiliary}, each for selection "
            "of the epoch of one network and for training of the others, "
        )
    yield (
        f"{escape(protocol.subset)}, {escape(protocol.files)}.{source} {used}"
        f"{protocol.engines} for testing."
    )
    digests = [[name, file.sha256] for name, file in protocol.digest.items()]
    yield to_markdown(Table("", ["file", "SHA-256"], digests, "ll"))


def _limits(evaluation: Evaluation) -> Iterator[str]:
    protocol = evaluation.protocol
    # training labels were capped, so the network cannot distinguish larger values
    yield f"A prediction of {protocol.cap} means '{protocol.cap} {protocol.unit} or more'."
    # no model with this cap can have a lower RMSE on raw labels
    raw, floor = evaluation.metrics.last.raw.rmse, evaluation.floor.raw.last.rmse
    yield (
        f"On raw labels the RMSE at {protocol.scored_at} is {raw:.2f} {protocol.unit}; the cap "
        f"alone causes {floor:.2f}."
    )
    yield "One run with one seed: another seed may differ by more than the confidence interval."
    yield (
        "Trained only on the operating conditions and fault modes of its data; the results do not "
        "generalise to others."
    )
    if protocol.padded:
        records = "test flights" if protocol.stride else f"of {protocol.engines} test records"
        yield (
            f"{protocol.padded} {records} were shorter than the window and padded; predictions "
            f"from so few {protocol.row}s are less certain."
        )
