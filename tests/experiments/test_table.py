"""The table of a comparison, as printed on the terminal."""

import io

from rich.console import Console

from cmapss_rul.experiments.table import describe_protocol, render
from tests.experiments.inputs import comparison, grid

RMSE = {"fixed": [12.0, 14.0], "amnl": [11.0, 11.5]}
MANY = ["fixed", "amnl", "amnl_ema", "uncertainty", "dtp", "dwa"]


def printed(found, width=80) -> str:
    text = io.StringIO()
    Console(width=width, file=text).print(render(found))
    return text.getvalue()


def squeezed(found) -> str:
    return " ".join(printed(found).split())


def test_means_with_their_spread():
    text = printed(comparison(grid(), RMSE))
    assert "fixed  13.00 ± 1.41  130 ± 14  23.00 ± 1.41  14.00 ± 1.41" in text
    assert "fixed      2  15.00 ± 1.41      50%   3 ± 0   30 ± 0" in text
    assert "mean rank" not in text  # of one configuration
    assert "no difference shown between fixed and amnl" in text


def test_the_protocol_is_printed_once():
    text = squeezed(comparison(grid("fd001", "fd003"), RMSE))
    assert text.count("protocol: FD001, official files; 6 test engines (0 padded)") == 1
    assert text.count("protocol: FD003") == 1
    assert ("cap 125; split by engines, 5 train, 1 validate; selection: validation engines") in text
    assert "calibrate" not in text


def test_windows_of_seconds_name_their_stride():
    protocol = comparison(grid("fd001"), RMSE).cells[0].protocol
    assert "windows of 60 cycles; cap" in describe_protocol(protocol)
    changed = protocol.model_copy(update={"stride": 10, "unit": "flights"})
    assert "windows of 60 rows 10 s apart; cap" in describe_protocol(changed)


def test_the_table_fits_80_columns():
    for line in printed(comparison(grid("fd001", "fd003"), RMSE)).splitlines():
        assert len(line) <= 80


def test_a_single_seed_has_no_spread():
    text = printed(comparison(grid(seeds=(0,)), {"fixed": [12.0], "amnl": [11.0]}))
    assert " ± " not in text
    assert "12.00" in text
    assert "one seed: no sd" in text


def test_leaks_oracle_and_missing_are_marked():
    made = grid(balancers=["amnl"], axes={"split.by": ["engines", "windows"]}, oracle=True)
    labels = [cell.label for cell in made.cells]
    found = comparison(
        made, {labels[0]: [12.0, 13.0], labels[1]: [9.0, 9.5]}, oracle={1: 9.0, 2: 8.0}
    )
    text = squeezed(found)
    assert "amnl split.by=windows (leak)" in text
    assert "optimism of a split by windows" in text
    assert "(oracle: chosen on the test set)" in text


def test_ranks_are_ordered():
    rmse = {"fixed": [13.0, 13.5], "amnl": [12.0, 12.49], "dtp": [11.0, 11.48]}
    text = squeezed(comparison(grid("fd001", "fd003", balancers=list(rmse)), rmse))
    assert "mean rank" in text
    assert text.index("dtp 1.00") < text.index("amnl 2.00") < text.index("fixed 3.00")


def test_no_ranks_where_nothing_differs_significantly():
    text = squeezed(comparison(grid("fd001", "fd003"), RMSE))
    assert "no difference shown between fixed and amnl" in text
    assert "mean rank" not in text


def test_notes_come_last():
    text = squeezed(comparison(grid(), RMSE, simulated=True))
    assert text.endswith("note: data: simulated, not the official files; these are not metrics on "
                         "C-MAPSS")  # fmt: skip


def test_only_significant_pairs_of_many_are_printed():
    same = [12.0, 12.1, 12.2, 12.4]
    rmse = dict.fromkeys(MANY, same) | {"dwa": [13.0, 13.2, 13.1, 13.5]}
    text = squeezed(comparison(grid(balancers=MANY, seeds=(0, 1, 2, 3)), rmse))
    assert text.count("has a lower RMSE than dwa") == 5
    assert "no difference shown in 10 of 15 pairs; comparison.json has a sentence for each" in text
