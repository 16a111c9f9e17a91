"""Pages with tables: brought up to date, and nothing else in them touched."""

import json

import pytest

from cmapss_rul.bench.kept import KEPT
from cmapss_rul.display.markdown import marked
from cmapss_rul.experiments import ledger
from cmapss_rul.experiments.grid import make_grid
from cmapss_rul.metrics.published import as_markdown
from cmapss_rul.pages import LEDGER, pages, write
from cmapss_rul.system.errors import UsageError
from tests.bench.results import result
from tests.experiments.inputs import comparison, grid

PUBLISHED = "configs/published-figures.md"


def page(name):
    return (
        f"# A page\n\n<!-- {name}: written by scripts/write-tables, never by hand -->\nold\n"
        f"<!-- end of {name} -->\n\nThe end.\n"
    )


@pytest.fixture
def root(tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "README.md").write_text(page("ledger"))
    (tmp_path / PUBLISHED).write_text(page("published figures"))
    return tmp_path


def test_without_a_ledger_the_readme_is_left_alone(root):
    assert write(root) == [root / PUBLISHED]
    text = (root / PUBLISHED).read_text()
    assert marked(text, "published figures") == as_markdown()
    assert text.startswith("# A page\n")
    assert text.endswith("\n\nThe end.\n")
    assert (root / "README.md").read_text() == page("ledger")


def test_both_pages_are_written_once(root):
    made = grid(balancers=["fixed", "amnl"], seeds=(0, 1))
    ledger.merge(root / LEDGER, comparison(made, {"fixed": [12.0, 13.0], "amnl": [11.0, 12.5]}))
    assert sorted(path.name for path in write(root)) == ["README.md", "published-figures.md"]
    assert "| `fixed` | 12.50 ± 0.71 / 125 ± 7 |" in (root / "README.md").read_text()
    assert write(root) == []
    assert pages(root) == {path: path.read_text() for path in pages(root)}


def test_a_page_may_hold_two_tables(root):
    made = grid(balancers=["fixed"], seeds=(0, 1))
    ledger.merge(root / LEDGER, comparison(made, {"fixed": [12.0, 13.0]}))
    (root / KEPT[0]).write_text(json.dumps(result()))
    (root / "README.md").write_text(page("ledger") + page("bench"))
    write(root)
    text = (root / "README.md").read_text()
    assert "12.50 ± 0.71" in marked(text, "ledger")
    assert "| `step.ratio_to_usual_loop` | 1.000 ± 0.100 | ≥ 1 |" in marked(text, "bench")
    assert text.count("\n\nThe end.\n") == 2
    assert write(root) == []


def test_figures_of_a_configuration_stand_in_its_comment(root):
    """Of a configuration that is the ledger's; another one keeps what it says."""
    own = "# FD001.\n#\n# Measured long ago,\n# on a whim.\n#\ndata:\n  subset: FD001\n"
    text = own + "balancer: {name: fixed}\n"
    (root / "configs" / "mine.yaml").write_text(text)
    (root / "configs" / "other.yaml").write_text(text + "train: {epochs: 3}\n")
    made = make_grid([str(root / "configs" / "mine.yaml")], seeds=[0, 1])
    ledger.merge(root / LEDGER, comparison(made, {"fixed": [12.0, 13.0]}))
    assert root / "configs" / "mine.yaml" in write(root)
    found = (root / "configs" / "mine.yaml").read_text()
    assert found.startswith("# FD001.\n#\n# Measured over 2 seeds: RMSE 12.50 ± 0.71 and NASA ")
    assert found.endswith("\n#\ndata:\n  subset: FD001\nbalancer: {name: fixed}\n")
    assert "long ago" not in found
    assert "whim" not in found
    assert (root / "configs" / "other.yaml").read_text() == text + "train: {epochs: 3}\n"
    assert write(root) == []


def test_a_page_without_its_place_is_said(root):
    (root / PUBLISHED).write_text("# A page\n")
    with pytest.raises(UsageError, match="no place for 'published figures'"):
        write(root)
