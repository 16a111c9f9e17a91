"""The report of a comparison, from the files of rul compare alone."""

import json

import pytest

from cmapss_rul.experiments.comparison import compare_results
from cmapss_rul.experiments.plots import draw
from cmapss_rul.reports.comparison import comparison_page, report_comparison
from cmapss_rul.system.errors import RulError
from tests.experiments.inputs import grid, histories, results
from tests.reports.inputs import Seen

RMSES = {"fixed": [12.0, 14.0], "amnl": [11.0, 12.98]}  # differ significantly


def comparison(made, rmses, **changes):
    """A comparison of synthetic results, and the histories of its runs."""
    found = results(made, rmses, **changes)
    return compare_results(made, found, {}), histories(found)


def saved(made, folder):
    """Save a comparison as rul compare does, and give its comparison.json."""
    folder.mkdir(exist_ok=True)
    draw(*made, folder)
    (folder / "comparison.json").write_text(made[0].as_json())
    return folder / "comparison.json"


def seen(path, output=None) -> Seen:
    page, *_ = report_comparison(path, output or path.with_name("report.html"))
    return Seen(page.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def two_by_two(tmp_path_factory):
    """Two configurations, two balancers, two seeds."""
    made = comparison(grid("fd001", "fd003"), RMSES)
    return made, saved(made, tmp_path_factory.mktemp("grid") / "<i>mine")


def test_every_cell_has_its_spread(two_by_two):
    found = seen(two_by_two[1])
    assert "<i>mine: 4 cells compared" in found.words
    assert "fd001: fixed 13.00 ± 1.41" in found.words
    assert "fd003: amnl 11.99 ± 1.40" in found.words
    assert "FD001, FD003; 2 seeds each" in found.words


def test_the_finding_comes_first(two_by_two):
    found = seen(two_by_two[1])
    order = [
        found.words.index(text)
        for text in (
            "fd001: lowest RMSE, amnl 11.99 ± 1.40 cycles",
            "fd001: amnl has the lowest RMSE, 11.99 ± 1.40 cycles, shown to be lower than that",
            "Test metrics, mean ± sd over seeds",
        )
    ]
    assert order == sorted(order)
    assert "· " not in found.words


def test_no_difference_is_in_the_finding(two_by_two):
    made = two_by_two[0][0]
    pairs = [pair.model_copy(update={"shown": False}) for pair in made.pairs]
    page = comparison_page(two_by_two[1].parent, made.model_copy(update={"pairs": pairs}))
    assert page.verdict[0].endswith("but no other cell is shown to be worse.")
    alone = comparison_page(two_by_two[1].parent, made.model_copy(update={"pairs": []}))
    assert alone.verdict[0].endswith("there is no other cell to compare it with.")
    assert "lowest" not in alone.verdict[0]


def test_no_section_is_empty(two_by_two):
    made, path = two_by_two
    nothing = made[0].model_copy(update={"pairs": [], "ranks": None, "oracle": None, "leak": None})
    titles = [section.title for section in comparison_page(path.parent, nothing).sections]
    assert titles == ["Test metrics", "Training", "Configurations, versions and digests"]


def test_every_run_and_every_pair_is_listed(two_by_two):
    made, path = two_by_two
    found = seen(path)
    assert "fd001: fixed 1 14.00" in found.words
    for pair in made[0].pairs:
        assert " ".join(pair.sentence.split()) in found.words
    assert "amnl 1.00" in found.words  # mean rank


def test_the_plots_are_embedded_and_saved(two_by_two, tmp_path):
    files = report_comparison(two_by_two[1], tmp_path / "page.html")
    names = ("rmse_by_balancer", "ranks", "learning_curves", "weights")
    assert {path.name for path in files[1:]} == {f"{n}.{e}" for n in names for e in ("png", "svg")}
    found = Seen(files[0].read_text(encoding="utf-8"))
    assert len(found.images) == 4
    assert all("fd001: fixed" in image["alt"] for image in found.images)


def test_protocol_versions_and_digests(two_by_two):
    found = seen(two_by_two[1])
    assert "Protocol: FD001, official files; 6 test engines" in found.words
    assert "torch 2.13.0" in found.words
    assert "train_FD003.txt a" in found.words


def test_a_missing_plot_is_reported(two_by_two, tmp_path):
    path = saved(two_by_two[0], tmp_path / "grid")
    (path.parent / "weights.svg").unlink()
    found = seen(path)
    assert "Left out: the plot weights" in found.words
    assert len(found.images) == 3


def test_without_ranks_nothing_is_missing(tmp_path):
    made = comparison(grid(balancers=["fixed"], seeds=(0,)), {"fixed": [12.0]})
    found = seen(saved(made, tmp_path / "grid"))
    assert "Left out" not in found.words
    assert "one seed: no sd" in found.words
    assert "fd001: fixed 12.00 –" not in found.words


def test_ranks_of_one_configuration_are_left_out(tmp_path):
    found = seen(saved(comparison(grid(), RMSES), tmp_path / "grid"))
    assert "mean rank" not in found.words.lower()
    assert "critical difference" not in found.words.lower()
    assert "Left out" not in found.words


def test_the_oracle_is_flagged(tmp_path):
    made = comparison(grid("fd001", "fd003", oracle=True), RMSES, oracle={1: 10.0})
    found = seen(saved(made, tmp_path / "grid"))
    assert len(found.images) == 5
    assert "oracle: chosen on the test set" in found.words


def test_simulated_data_and_leaks_are_flagged(tmp_path):
    made = grid(balancers=["amnl"], axes={"split.by": ["engines", "windows"]})
    labels = [cell.label for cell in made.cells]
    both = comparison(made, {labels[0]: [12.0, 13.0], labels[1]: [9.0, 9.5]}, simulated=True)
    found = seen(saved(both, tmp_path / "grid"))
    assert "Note: data: simulated, not the official files" in found.words
    assert f"fd001: {labels[1]} (leak)" in found.words


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "null", '{"cells": 3}', '{"cells": [{}], "grid": {}}', "[" * 99999]
)
def test_an_invalid_comparison_is_one_line(tmp_path, content):
    path = tmp_path / "comparison.json"
    path.write_text(content)
    with pytest.raises(RulError, match="run rul compare again") as failure:
        report_comparison(path, tmp_path / "report.html")
    assert "\n" not in str(failure.value)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("part", ["cells", "pairs", "ranks", "notes", "grid", "oracle"])
def test_an_incomplete_comparison_is_one_line(two_by_two, tmp_path, part):
    plain = json.loads(two_by_two[1].read_bytes())
    del plain[part]
    path = tmp_path / "comparison.json"
    path.write_text(json.dumps(plain))
    with pytest.raises(RulError, match=f"cannot be read .{part}: "):
        report_comparison(path, tmp_path / "report.html")
