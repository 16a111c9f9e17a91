"""The ledger as Markdown: every result in its place, bold only what is significant."""

import re

import pytest

from cmapss_rul.experiments.ledger import merge_comparison, read_ledger
from scripts.ledger_table import ledger_table, summary_table
from tests.experiments.inputs import comparison, grid

SEEDS = (0, 1, 2, 3)
A, B, C = [11.0, 11.2, 11.1, 11.3], [12.0, 12.3, 12.1, 12.2], [12.1, 12.0, 12.3, 12.2]


def filled(path, *comparisons):
    for made in comparisons:
        merge_comparison(path, made)
    return read_ledger(path)


def compared(rmse, *configs, seeds=SEEDS, **changes):
    options = {key: changes.pop(key) for key in ("axes", "oracle") if key in changes}
    names = list(dict.fromkeys(label.split()[0] for label in rmse))
    made = grid(*(configs or ("fd001",)), balancers=names, seeds=seeds, **options)
    return comparison(made, rmse, **changes)


def rows(text, column="balancer"):
    """Rows of the table whose first column is called so, by their first fields."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {column} |"))
    found = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        found.append([field.strip() for field in line.strip("|").split("|")])
    return [found[0], *found[2:]]


def test_balancers_by_subsets_in_the_packages_order(tmp_path):
    found = filled(
        tmp_path / "l.json",
        compared({"gradnorm": C, "fixed": B, "amnl": B}, "fd001", "fd003"),
        compared({"dtp": A}, "fd001"),
    )
    head, *table = rows(ledger_table(found))
    assert head == ["balancer", "FD001", "FD003", "mean rank"]
    assert [row[0] for row in table] == ["`fixed`", "`amnl`", "`gradnorm`", "`dtp`"]
    assert table[0] == ["`fixed`", "12.15 ± 0.13 / 122 ± 1", "12.15 ± 0.13 / 122 ± 1", "1.50"]
    assert table[3] == ["`dtp`", "11.15 ± 0.13 / 112 ± 1", "", ""]


def test_the_lowest_is_bold_where_it_is_significantly_below_every_other(tmp_path):
    found = filled(tmp_path / "l.json", compared({"fixed": B, "amnl": A, "dtp": C}))
    _, fixed, amnl, dtp = rows(ledger_table(found))
    assert amnl[1].startswith("**11.15 ± 0.13 / ")
    assert amnl[1].endswith("**")
    assert "**" not in fixed[1] + dtp[1]


def test_nothing_is_bold_where_one_other_is_not_significantly_higher(tmp_path):
    found = filled(tmp_path / "l.json", compared({"fixed": B, "amnl": A, "dtp": [9, 12, 13, 12]}))
    assert "**" not in ledger_table(found)
    # nor where the ledger lacks the pairs, as after two grids
    apart = filled(tmp_path / "m.json", compared({"fixed": B}), compared({"amnl": A}))
    assert "**" not in ledger_table(apart)


def test_findings_name_the_differences_with_their_intervals(tmp_path):
    """Differences fixed − amnl are 1.0, 1.1, 1.0, 0.9: 1.0 ± 3.1824 · 0.08165 / 2."""
    text = ledger_table(filled(tmp_path / "l.json", compared({"fixed": B, "amnl": A, "dtp": C})))
    (line,) = (line for line in text.splitlines() if line.startswith("- FD001: a significant"))
    assert line.startswith(
        "- FD001: a significant difference in 2 of 3 pairs: below `fixed`: `amnl`"
    )
    assert "below `fixed`: `amnl` by 1.00 (0.87 to 1.13); below `dtp`: `amnl` by 1.00 (" in line
    assert "rejects at 5 % after Holm's correction" in text


def test_without_a_significant_difference(tmp_path):
    text = ledger_table(
        filled(tmp_path / "l.json", compared({"fixed": B, "amnl": C}, "fd001", "fd003"))
    )
    assert "- FD001: no significant difference in the one pair." in text
    assert "- FD003: no significant difference in the one pair." in text
    three = filled(tmp_path / "m.json", compared({"fixed": B, "amnl": C, "dtp": B}))
    assert "- FD001: no significant difference in any of 3 pairs." in ledger_table(three)


def test_the_protocol_and_how_to_repeat_a_cell(tmp_path):
    text = ledger_table(filled(tmp_path / "l.json", compared({"fixed": B}, "fd001-auxiliary")))
    assert "over 4 seeds." in text
    assert (
        "Protocol: official files; RUL capped at 125; windows of 60 cycles, short records padded "
        "and none dropped; 20% of the training engines, drawn by the seed, for "
        "validation; trained also on training files of other subsets (FD002 for FD001); epoch "
        "selected by validation engines only;"
    ) in text
    assert re.search(r"Versions: torch 2\.13\.0, numpy \S+, scipy \S+, commit c0ffee\.", text)
    assert "`scripts/rerun-cell fd001-auxiliary fixed` repeats a cell and checks" in text


def test_commits_are_named_once_by_seven_digits(tmp_path):
    found = filled(tmp_path / "l.json", compared({"fixed": B, "amnl": A, "dtp": C}))
    first, second = "5bdde58" + "0" * 33, "b590724" + "f" * 33
    names = (first, f"{first}, {second}", f"{second} with changes")
    cells = [
        cell.model_copy(update={"commit": name})
        for cell, name in zip(found.cells, names, strict=True)
    ]
    text = ledger_table(found.model_copy(update={"cells": cells}))
    assert ", commits 5bdde58, b590724, b590724 with changes." in text


def test_auxiliary_subsets_are_named_for_each_column(tmp_path):
    configs = ("fd001-auxiliary", "fd004-auxiliary")
    both = ledger_table(filled(tmp_path / "l.json", compared({"fixed": B}, *configs)))
    assert "| balancer | FD001 + FD002 | FD004 + FD003 |" in both
    assert "of other subsets (FD002 for FD001, FD003 for FD004); epoch" in both
    made = grid("fd001", balancers=["fixed"], seeds=SEEDS)
    alone = ledger_table(filled(tmp_path / "m.json", comparison(made, {"fixed": B})))
    assert "for validation; epoch selected by" in alone


def test_simulated_data_are_named(tmp_path):
    text = ledger_table(filled(tmp_path / "l.json", compared({"fixed": B}, simulated=True)))
    assert "Protocol: simulated, not the official files;" in text


def test_a_folded_part_keeps_its_empty_lines_or_a_table_in_it_is_none(tmp_path):
    text = ledger_table(filled(tmp_path / "l.json", compared({"fixed": B})))
    assert re.search(r"<details>\n<summary>.*</summary>\n\n\| .*\|\n\n</details>", text, re.DOTALL)


def test_other_protocols_and_clipping_are_folded(tmp_path):
    text = ledger_table(filled(tmp_path / "l.json", compared({"fixed": B, "amnl": A})))
    folded = text[text.index("<details>") : text.index("</details>")]
    _, fixed, _ = rows(folded, "configuration")
    assert fixed == [
        "fd001", "`fixed`", "4", "22.15 ± 0.13", "222 ± 1", "13.15 ± 0.13", "14.15 ± 0.13", "50%",
    ]  # fmt: skip


def test_one_seed_has_no_spread_and_different_counts_are_named(tmp_path):
    one = ledger_table(filled(tmp_path / "l.json", compared({"fixed": [12.0]}, seeds=(0,))))
    assert "over one seed, which has no sd." in one
    assert rows(one)[1] == ["`fixed`", "12.00 / 120"]
    assert "Holm" not in one
    two = filled(
        tmp_path / "m.json", compared({"fixed": B}), compared({"amnl": [1, 2]}, seeds=(0, 1))
    )
    assert "over 2 to 4 seeds, counted below." in ledger_table(two)


def test_a_configuration_of_ones_own_is_named_beside_its_subset(tmp_path):
    text = ledger_table(filled(tmp_path / "l.json", compared({"gradnorm": B}, "gradnorm")))
    assert rows(text)[0][1] == "gradnorm (FD001)"


def leaky(oracle=None):
    rmse = {"amnl split.by=engines": B, "amnl split.by=windows": A}
    axes = {"split.by": ["engines", "windows"]}
    changes = {"oracle": True} if oracle is None else oracle
    return compared(rmse, axes=axes, **changes)


def test_a_leak_is_in_no_main_table_and_marked_where_it_is(tmp_path):
    found = filled(tmp_path / "l.json", compared({"fixed": C, "amnl": B}), leaky({}))
    text = ledger_table(found)
    assert [row[0] for row in rows(text)[1:]] == ["`fixed`", "`amnl`"]
    assert rows(text, "configuration")[3][:2] == ["fd001 (leak)", "`amnl split.by=windows`"]
    assert "no significant difference in the one pair" in text
    for line in text.splitlines():
        assert "windows`" not in line or "(leak)" in line


@pytest.fixture
def optimistic(tmp_path):
    """A ledger whose runs have a best test epoch lower by 0.5, and a split by windows."""
    made = grid(
        balancers=["amnl"], axes={"split.by": ["engines", "windows"]}, oracle=True, seeds=(0, 1)
    )
    rmse = {made.cells[0].label: [12.0, 13.0], made.cells[1].label: [11.0, 12.0]}
    found = comparison(made, rmse, oracle={1: 13.0, 2: 11.0, 3: 11.5})
    return filled(tmp_path / "l.json", found)


def test_the_oracle_and_the_leak_have_tables_of_their_own(optimistic):
    text = ledger_table(optimistic)
    assert "Optimism of test-set selection and of window splits" in text
    head, row = rows(text, "subset")
    assert head[-1].endswith("(oracle: chosen on the test set)")
    oracle = optimistic.oracle[0].optimism
    low, high = oracle.interval
    assert row == ["FD001", "2", f"{oracle.mean:.2f} ({low:.2f} to {high:.2f})"]
    leak_table = text[text.index("| configuration | cell | seeds | test − validation") :]
    head, row = rows(leak_table, "configuration")
    assert "(leak)" in head[3]
    assert row[:3] == ["fd001", "`amnl`", "2"]
    assert row[5] == "0.00 (0.00 to 0.00)"  # both splits have gaps of −1


def test_one_seed_and_nothing_known_are_marked(optimistic):
    (oracle,), (leak,) = optimistic.oracle, optimistic.leak
    one_seed = oracle.optimism.model_copy(update={"interval": None})
    changes = {
        "oracle": [oracle.model_copy(update={"optimism": one_seed})],
        "leak": [leak.model_copy(update={"optimism": None})],
    }
    text = ledger_table(optimistic.model_copy(update=changes))
    assert rows(text, "subset")[1][2].endswith(" (one seed)")
    assert text.splitlines()[-1].endswith("| – |")


def test_without_oracle_and_leak_nothing_is_said_of_them(tmp_path):
    text = ledger_table(filled(tmp_path / "l.json", compared({"fixed": B})))
    assert "Optimism" not in text
    assert "oracle" not in text


# ---- the README's table ------------------------------------------------------------------------


def test_the_summary_has_the_shipped_balancer_of_each_subset_and_its_training_data(tmp_path):
    found = filled(
        tmp_path / "l.json",
        compared({"fixed": B, "amnl": A}, "fd001", "fd003"),
        compared({"amnl": C}, "gradnorm"),
        compared({"amnl": C}, "fd001-auxiliary"),
        compared({"amnl data.cycle_count=false": B}, axes={"data.cycle_count": [False]}),
    )
    text = summary_table(found)
    head, *table = rows(text, "subset")
    assert head == ["subset", "RMSE", "NASA score", "RMSE, raw labels", "without cycle count"]
    assert [[*row[:3], row[4]] for row in table] == [
        ["FD001", "11.15 ± 0.13", "112 ± 1", "12.15 ± 0.13 / 122 ± 1"],
        ["FD003", "11.15 ± 0.13", "112 ± 1", ""],
    ]
    assert "From `configs/ledger.json`" in text
    assert "mean ± sd over 4 seeds" in text


def test_a_ledger_without_a_shipped_configuration_says_so(tmp_path):
    found = filled(tmp_path / "l.json", compared({"fixed": B}, "fd001"))
    assert summary_table(found).startswith("No configuration as shipped")
