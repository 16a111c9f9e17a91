"""The report of a run: all of its parts, omissions, and files."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from cmapss_rul.evaluation.evaluate import evaluate
from cmapss_rul.evaluation.headline import verdict, warnings_of
from cmapss_rul.reports import sections
from cmapss_rul.reports.interpretation import interpretation_parts
from cmapss_rul.reports.model_card import CARD, model_card
from cmapss_rul.reports.page import Lines, Missing, PageTable, Plot, Text
from cmapss_rul.reports.report import run_page
from cmapss_rul.reports.rul_plots import LastWindows
from cmapss_rul.reports.training_curves import training_parts
from cmapss_rul.system.errors import RulError
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.trained_model import restore
from tests.reports.inputs import Seen

PLOTS = {
    "predicted_against_true", "sorted_by_true", "by_engine", "trajectories", "error_by_band",
    "confusion", "coverage", "learning_curves", "weights_and_clipping", "attention", "importance",
}  # fmt: skip


@pytest.fixture(scope="module")
def seen(reported) -> Seen:
    return Seen((reported / "report.html").read_text(encoding="utf-8"))


def official(evaluation, rmse=12.0):
    """The same evaluation, marked as one of the official files."""
    protocol = dataclasses.replace(
        evaluation.protocol, official=True, simulated=False, files="official files"
    )
    last = evaluation.metrics.last
    capped = dataclasses.replace(last.capped, rmse=rmse)
    metrics = dataclasses.replace(evaluation.metrics, last=dataclasses.replace(last, capped=capped))
    return dataclasses.replace(evaluation, protocol=protocol, metrics=metrics)


def of_kind(kind, parts):
    return [part for part in parts if isinstance(part, kind)]


def test_a_run_that_was_not_evaluated_is_evaluated(run_folder, reported, evaluation):
    assert not (run_folder / "evaluation.json").exists()
    found = json.loads((reported / "evaluation.json").read_bytes())
    assert found["metrics"] == json.loads(json.dumps(dataclasses.asdict(evaluation.metrics)))
    assert (reported / "predictions.csv").exists()


def test_every_plot_is_saved_as_png_and_svg(reported, seen):
    files = {path.name for path in (reported / "report-figures").iterdir()}
    assert files == {f"{name}.{ending}" for name in PLOTS for ending in ("png", "svg")}
    assert len(seen.images) == len(PLOTS)
    assert all(len(image["alt"]) > 20 for image in seen.images)


def test_the_headline_comes_first_and_its_plot_appears_once(seen, evaluation):
    order = [
        seen.words.index(text)
        for text in (
            "RMSE, last windows, capped labels", verdict(evaluation), "Predicted against true RUL",
            "Baselines, last windows", "Test metrics. RMSE",
        )
    ]  # fmt: skip
    assert order == sorted(order)
    assert seen.words.count("Predicted against true RUL") == 1


def test_several_conditions_have_a_plot_and_one_has_none(model, evaluation, monkeypatch):
    names = [part.name for part in of_kind(Plot, sections.errors(model, evaluation))]
    assert names == ["error_by_band"]
    groups = {"0, 0": np.array([0]), "10, 0": np.array([1, 2])}
    monkeypatch.setattr(sections, "group_by_condition", lambda *_: groups)
    plot, column = list(sections.errors(model, evaluation))[2:]
    assert plot.name == "error_by_condition"
    assert [row[0] for row in column.tables[0].rows] == ["0, 0", "10, 0"]


def test_metrics_have_their_protocol(seen, evaluation):
    rmse = evaluation.metrics.last.capped.rmse
    assert f"RMSE, last windows, capped labels {rmse:.2f} cycles" in seen.words
    for choice, value in evaluation.protocol.lines():
        assert f"{choice} {' '.join(value.split())}" in seen.words


def test_floors_and_baselines_are_beside_the_metrics(seen, evaluation):
    floor = evaluation.floor
    assert f"perfect below the cap, raw {floor.raw.last.rmse:.2f}" in seen.words
    assert f"Perfect below the cap: {floor.description}." in seen.words
    baselines = evaluation.baselines
    for name, found in [("Test mean", baselines.test_mean),
                        ("Training mean", baselines.train_mean)]:  # fmt: skip
        for labels, constant in found.metrics.last.items():
            row = f"{name[0].lower()}{name[1:]}, {labels} {constant.rmse:.2f}"
            assert row in seen.words
        assert f"{name}: {found.description}." in seen.words


def test_simulated_data_are_marked_and_not_compared_with_published_figures(seen):
    assert (
        "Note: simulated, not the official files: these metrics are not comparable with"
        in seen.words
    )
    assert "Left out: published results" in seen.words
    assert "DCNN" not in seen.words


def test_published_results_have_their_trust_level(evaluation):
    parts = list(sections.published_results(official(evaluation)))
    table = parts[0].table  # over the whole width
    assert table.rows[0][:2] == ["this model", "12.00"]
    assert [
        "RVE 2022",
        "13.42",
        "324",
        "made without the cycle count as an input",
        "reproduced",
    ] in table.rows
    headings = [row for row in table.rows if len(row) == 1]
    assert headings == [["not comparable, because …"]]
    amnl = next(row for row in table.rows if row[0].startswith("AMNL"))
    assert amnl[1:3] == ["10.43 ± 1.94", "–"]
    assert amnl[3] == "training data not stated"
    assert amnl[4].startswith("chosen on the test set: ")
    assert "12 to 13.5 on FD001" in parts[1].text
    assert parts[2].folded


def test_what_agrees_in_data_inputs_labels_and_selection_is_comparable(evaluation):
    known = official(evaluation)
    protocol = dataclasses.replace(known.protocol, inputs=["sensor_2"])
    table = next(sections.published_results(dataclasses.replace(known, protocol=protocol))).table
    names = [row[0] for row in table.rows]
    assert names[1:5] == ["comparable", "RVE 2022", "FFVE 2023, corrected", names[4]]
    assert names[4] == "not comparable, because …"


def test_an_implausibly_good_metric_is_an_alarm(evaluation):
    assert list(warnings_of(official(evaluation))) == []
    (alarm,) = warnings_of(official(evaluation, rmse=9.9))
    assert "suggests a leak" in alarm


def test_a_leak_and_unknown_conditions_are_warnings(evaluation):
    whole = official(evaluation)
    split = dataclasses.replace(whole.protocol.split, leak="a leak: so it is")
    protocol = dataclasses.replace(whole.protocol, split=split, unknown_conditions=3)
    found = list(warnings_of(dataclasses.replace(whole, protocol=protocol)))
    assert found[0] == "split by windows, a leak: so it is"
    assert found[1].startswith("3 of ")


def test_every_engine_has_a_row(seen, evaluation):
    (part,) = of_kind(PageTable, sections.predictions(evaluation, LastWindows.of(evaluation)))
    table = part.table
    assert part.folded
    assert len(table.rows) == len(evaluation.last)
    assert table.head[-3:] == ["lower", "upper", "padded"]
    row = table.rows[0]
    assert float(row[5]) == pytest.approx(float(row[4]) - float(row[3]), abs=0.11)
    assert "Every engine at its last window" in seen.words


def test_without_intervals_the_reason_is_reported(model):
    uncalibrated = evaluate(dataclasses.replace(model, calibration=None))
    (missing,) = of_kind(Missing, sections.predictions(uncalibrated, LastWindows.of(uncalibrated)))
    assert "was not calibrated" in missing.text
    (only,) = sections.intervals(uncalibrated)
    assert isinstance(only, Missing)
    (part,) = of_kind(PageTable, sections.predictions(uncalibrated, LastWindows.of(uncalibrated)))
    assert "lower" not in part.table.head


def test_intervals_have_their_coverage_and_guarantee(seen, evaluation):
    found = evaluation.intervals.coverage[0].last.capped
    assert f"0.5, last window {found.coverage:.3f}" in seen.words
    assert evaluation.intervals.facts.promise in seen.words


def test_a_fleet_above_the_cap_has_no_trajectories(evaluation):
    raw = evaluation.truth.raw + 1000
    above = dataclasses.replace(evaluation, truth=dataclasses.replace(evaluation.truth, raw=raw))
    (only,) = sections.trajectories(above)
    assert only == Missing("trajectories: the true RUL of no test engine falls below the cap")


def test_engines_that_are_not_ranked_are_counted(evaluation):
    above = int((evaluation.truth.raw[evaluation.last] >= 125).sum())
    texts = of_kind(Text, sections.trajectories(evaluation))
    assert bool(texts) is bool(above)
    assert not above or texts[0].text.startswith(f"{above} of 20 engines")


def test_prognostics_and_health_are_there(seen, evaluation):
    mean = evaluation.prognostics.mean["relative_accuracy"]
    assert f"relative accuracy (λ = 0.5) {mean.value:.3f} dimensionless" in seen.words
    last = evaluation.health.last
    assert f"last window {last.accuracy:.3f} {last.macro_f1:.3f} {last.ece:.3f}" in seen.words


@pytest.mark.parametrize("content", [None, "epoch\n1\n"])
def test_without_metrics_the_curves_are_omitted(model, tmp_path, content):
    if content:
        RunFolder(tmp_path).metrics.write_text(content)
    (only,) = training_parts(tmp_path, model)
    assert isinstance(only, Missing)
    assert "metrics.csv: cannot be read" in only.text


def test_without_an_epoch_the_curves_are_omitted(model, run_folder, tmp_path):
    head = RunFolder(run_folder).metrics.read_text().splitlines()[0]
    RunFolder(tmp_path).metrics.write_text(f"{head}\n")
    (only,) = training_parts(tmp_path, model)
    assert "no epoch yet" in only.text


def test_a_network_without_attention_is_reported(model, evaluation, monkeypatch):
    monkeypatch.setattr(type(model.network), "attention_weights", lambda *_: None)
    missing, plot = interpretation_parts(model, evaluation)
    assert isinstance(missing, Missing)
    assert isinstance(plot, Plot)


def test_configuration_versions_and_digests_are_there(model, evaluation, seen):
    parts = list(sections.provenance(model, evaluation))
    (config,) = of_kind(Lines, parts)
    assert "  window: 40" in config.lines
    for file in evaluation.protocol.digest.values():
        assert file.sha256 in seen.words
    assert f"torch {model.versions.torch}"[6:] in seen.words


def test_a_malicious_name_is_shown_escaped(seen):
    assert "b" not in seen.tags
    assert "<b>a&b \\u202e$x$: remaining useful life on FD001" in seen.words


def test_reporting_again_gives_the_same_page(model, evaluation, run_folder):
    one, other = (run_page(run_folder, model, evaluation) for _ in range(2))
    for first, second in zip(one.sections, other.sections, strict=True):
        texts = [
            [getattr(part, "text", part) for part in section.parts] for section in (first, second)
        ]
        assert texts[0] == texts[1]


def test_the_card_has_every_section(reported, model, evaluation):
    card = (reported / CARD).read_text(encoding="utf-8")
    assert card.startswith("# Model card: \\<b\\>a\\&b \\\\u202e$x$\n")
    for heading in (
        "Intended use",
        "Data",
        "Results",
        "Evaluation protocol",
        "Prediction intervals",
        "Limitations",
    ):
        assert f"\n## {heading}\n" in card
    assert f"{evaluation.metrics.last.capped.rmse:.2f}" in card
    assert "these metrics are not comparable with C-MAPSS results" in card
    assert "NASA's C-MAPSS files" not in card
    assert "NASA's C-MAPSS files" in model_card("x", model, official(evaluation))
    assert all(line.isprintable() for line in card.split("\n"))


def test_a_damaged_checkpoint_is_one_line(run_folder, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    (folder / "best.pt").write_bytes(b"no")
    with pytest.raises(RulError, match="not a checkpoint"):
        restore(folder)
