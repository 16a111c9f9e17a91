"""Pages with generated tables: updated without changing anything else."""

import json

import pytest

from cmapss_rul.experiments.grid import make_grid
from cmapss_rul.experiments.ledger import merge_comparison
from cmapss_rul.metrics.published import PUBLISHED, TRUST
from cmapss_rul.system.errors import UsageError
from scripts.bench_table import BENCHMARKS
from scripts.pages import (
    LEDGER,
    expected_pages,
    marked_content,
    page_of,
    published_table,
    replace_marked,
    update_pages,
)
from tests.bench.results import result
from tests.experiments.inputs import comparison, grid

FIRST = "<!-- table: written by scripts/write-tables, never by hand -->"
LAST = "<!-- end of table -->"
PAGE = f"# Title\n\n{FIRST}\nold\n\nolder\n{LAST}\nafter\n"
PAGE_OF_PUBLISHED = "configs/published-results.md"


def page(name):
    return (
        f"# A page\n\n<!-- {name}: written by scripts/write-tables, never by hand -->\nold\n"
        f"<!-- end of {name} -->\n\nThe end.\n"
    )


@pytest.fixture
def root(tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "README.md").write_text(page("ledger"))
    (tmp_path / PAGE_OF_PUBLISHED).write_text(page("published results"))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "front.md").write_text(page("results"))
    return tmp_path


def test_without_a_ledger_the_readme_is_left_alone(root):
    assert update_pages(root) == [root / PAGE_OF_PUBLISHED]
    text = (root / PAGE_OF_PUBLISHED).read_text()
    assert marked_content(text, "published results") == published_table()
    assert text.startswith("# A page\n")
    assert text.endswith("\n\nThe end.\n")
    assert (root / "README.md").read_text() == page("ledger")


def test_both_pages_are_written_once(root):
    made = grid(balancers=["fixed", "amnl"], seeds=(0, 1))
    merge_comparison(root / LEDGER, comparison(made, {"fixed": [12.0, 13.0], "amnl": [11.0, 12.5]}))
    changed = [path.name for path in update_pages(root)]
    assert sorted(changed) == ["README.md", "front.md", "published-results.md"]
    assert "| `fixed` | 12.50 ± 0.71 / 125 ± 7 |" in (root / "README.md").read_text()
    assert update_pages(root) == []
    assert expected_pages(root) == {path: path.read_text() for path in expected_pages(root)}


def test_a_page_may_hold_two_tables(root):
    made = grid(balancers=["fixed"], seeds=(0, 1))
    merge_comparison(root / LEDGER, comparison(made, {"fixed": [12.0, 13.0]}))
    (root / BENCHMARKS[0]).write_text(json.dumps(result()))
    (root / "README.md").write_text(page("ledger") + page("bench"))
    update_pages(root)
    text = (root / "README.md").read_text()
    assert "12.50 ± 0.71" in marked_content(text, "ledger")
    assert "| `step.ratio_to_usual_loop` | 1.000 ± 0.100 | ≥ 1 |" in marked_content(text, "bench")
    assert text.count("\n\nThe end.\n") == 2
    assert update_pages(root) == []


def test_results_of_a_configuration_are_in_its_comment(root):
    """Of a configuration that is the ledger's; another one stays as it is."""
    own = "# FD001.\n#\n# Measured long ago,\n# on a whim.\n#\ndata:\n  subset: FD001\n"
    text = own + "balancer: {name: fixed}\n"
    (root / "configs" / "mine.yaml").write_text(text)
    (root / "configs" / "other.yaml").write_text(text + "train: {epochs: 3}\n")
    made = make_grid([str(root / "configs" / "mine.yaml")], seeds=[0, 1])
    merge_comparison(root / LEDGER, comparison(made, {"fixed": [12.0, 13.0]}))
    assert root / "configs" / "mine.yaml" in update_pages(root)
    found = (root / "configs" / "mine.yaml").read_text()
    assert found.startswith("# FD001.\n#\n# Measured over 2 seeds: RMSE 12.50 ± 0.71 and NASA ")
    assert found.endswith("\n#\ndata:\n  subset: FD001\nbalancer: {name: fixed}\n")
    assert "long ago" not in found
    assert "whim" not in found
    assert (root / "configs" / "other.yaml").read_text() == text + "train: {epochs: 3}\n"
    assert update_pages(root) == []


def test_a_table_without_a_place_is_an_error(root):
    (root / PAGE_OF_PUBLISHED).write_text("# A page\n")
    with pytest.raises(UsageError, match="no place for 'published results'"):
        update_pages(root)


def test_a_table_with_two_places_is_an_error(root):
    (root / "docs" / "other.md").write_text(page("published results"))
    with pytest.raises(UsageError, match=r"in docs/other.md, configs/published-results.md; expe"):
        update_pages(root)


def test_a_page_is_found_by_its_marks_and_links_to_the_ledger_from_there(root):
    made = grid(balancers=["fixed"], seeds=(0, 1))
    merge_comparison(root / LEDGER, comparison(made, {"fixed": [12.0, 13.0]}))
    (root / "README.md").rename(root / "docs" / "results.md")
    assert page_of(root, "ledger") == root / "docs" / "results.md"
    update_pages(root)
    assert "[configs/ledger.json](../configs/ledger.json)" in page_of(root, "ledger").read_text()


# ---- marked places ---------------------------------------------------------------------------


def test_a_place_is_read_and_replaced_and_nothing_else_changes():
    assert marked_content(PAGE, "table") == "old\n\nolder"
    new = replace_marked(PAGE, "table", "new")
    assert new == f"# Title\n\n{FIRST}\nnew\n{LAST}\nafter\n"
    assert replace_marked(new, "table", "old\n\nolder") == PAGE


def test_an_empty_place_can_be_filled():
    empty = f"{FIRST}\n{LAST}\n"
    assert marked_content(empty, "table") == ""
    assert replace_marked(empty, "table", "new") == f"{FIRST}\nnew\n{LAST}\n"


@pytest.mark.parametrize(
    "page",
    [
        "",
        f"{FIRST}\nx\n",
        f"x\n{LAST}\n",
        f"{LAST}\nx\n{FIRST}\n",
        PAGE + PAGE,
        f"{FIRST}\n{FIRST}\nx\n{LAST}\n",
        f"{FIRST} x\n{LAST}\n",
        PAGE.replace("table", "others"),
    ],
)
def test_a_page_without_one_whole_place_is_refused(page):
    calls = (
        lambda: marked_content(page, "table"),
        lambda: replace_marked(page, "table", "x"),
    )
    for call in calls:
        with pytest.raises(UsageError, match="no place for 'table': expected the line <!-- tab"):
            call()


def test_the_table_has_a_row_per_method_and_explains_trust():
    lines = published_table().splitlines()
    rows = [line for line in lines if line.startswith("| ")]
    assert len(rows) == 1 + len(PUBLISHED) + 1
    assert rows[4] == (
        "| RVE 2022 | 13.42 / 324 | 14.92 / 1,379 | 12.51 / 256 | 16.37 / 1,846 |  | "
        "the subset alone | 30 | 125 | no | validation engines | not stated | reproduced |"
    )
    (amnl,) = (row for row in rows if row.startswith("| AMNL"))
    assert "| 6.74 ± 0.91 |" in amnl
    assert rows[1].startswith("| DCNN, Li 2018 | 12.61 / 274 | 22.36 |")
    assert (
        rows[18]
        .split("17.52 / 922")[1]
        .startswith(" |  |  |  |  | not stated | not stated | 130 |")
    )
    assert "chosen on the test set: no code; chapter 6.5 of the same book" in amnl
    assert rows[-1].split(" | ")[1:5] == ["12–13.5", "12.5–15", "11.5–12.6", "14–16.5"]
    assert [line.split("*")[1] for line in lines if line.startswith("- ")] == list(TRUST)
