"""The test set: a separate file, or engines held out from the training file and truncated."""

import numpy as np
import pytest

from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.split import SplitConfig
from cmapss_rul.data.testset import read_test_set
from cmapss_rul.data.trainset import read_train_records
from cmapss_rul.system.errors import DataError
from tests.data._own import HEADER, KEYS, LIVES, write_own


def config(tmp_path, **keys) -> DataConfig:
    if not (tmp_path / "my.csv").exists():
        write_own(tmp_path / "my.csv")
    return DataConfig.model_validate({**KEYS, "train": str(tmp_path / "my.csv"), **keys})


def test_engines_are_held_out_and_truncated_once(tmp_path):
    data, split = config(tmp_path), SplitConfig(test=0.4)
    whole = read_train_records(data, tmp_path / "my.csv")[0].fleet
    found = read_test_set(data, split)
    assert len(found.held_out) == 3  # 0.4 of 8
    assert found.held_out.tolist() == split.hold_out_test(whole.engines)[1].tolist()
    assert found.fleet.engines.tolist() == found.held_out.tolist()
    assert found.names == list(LIVES)
    lives = np.array(list(LIVES.values()))[found.held_out - 1]
    assert (found.fleet.lengths + found.rul == lives).all()
    assert (found.fleet.lengths >= np.minimum(4, lives - 1)).all()
    assert (found.rul >= 1).all()
    for number in found.held_out:
        cut, record = (
            found.fleet.select_engines(np.array([number])),
            whole.select_engines(np.array([number])),
        )
        assert (cut.values == record.values[: cut.rows]).all()
    assert {*found.engine_of_rows} == {list(LIVES)[number - 1] for number in found.held_out}
    assert [source.name for source in found.sources] == ["my.csv"]


def test_without_held_out_engines_there_is_no_test_set(tmp_path):
    with pytest.raises(DataError, match=r"no engine was held out .* because split.test is 0;"):
        read_test_set(config(tmp_path), SplitConfig(test=0))


TEST_ROWS = ["b,1,0,500,0.1,x,7", "a,1,0,500,0.1,x,9", "b,2,50,500,0.2,x,6"]


@pytest.mark.parametrize(
    "stated", [(7, 9, 6), (6, 9, 6)], ids=["each cycle's", "the last one's, or capped"]
)
def test_the_rul_of_a_column_is_that_of_the_last_row(tmp_path, stated):
    rows = [f"{row.rpartition(',')[0]},{rul}" for row, rul in zip(TEST_ROWS, stated, strict=True)]
    path = write_own(tmp_path / "test.csv", rows, f"{HEADER},left")
    found = read_test_set(config(tmp_path, test=str(path), rul_column="left"), SplitConfig())
    assert found.names == ["b", "a"]
    assert found.rul.tolist() == [6, 9]
    assert found.fleet.lengths.tolist() == [2, 1]
    assert not len(found.held_out)


@pytest.mark.parametrize(("first", "last"), [(8, 6), (5, 6), (7, -1), (7, 6.5), (7, 1e12)])
def test_an_inconsistent_rul_is_refused(tmp_path, first, last):
    rows = [f"b,1,0,500,0.1,x,{first}", f"b,2,0,500,0.1,x,{last}"]
    path = write_own(tmp_path / "test.csv", rows, f"{HEADER},left")
    with pytest.raises(DataError, match=r"test\.csv: found .* in column left at cycle \d of en"):
        read_test_set(config(tmp_path, test=str(path), rul_column="left"), SplitConfig())


def test_the_rul_of_a_file_is_in_the_order_of_the_engines(tmp_path):
    rows = [row.rpartition(",")[0] for row in TEST_ROWS]
    path = write_own(tmp_path / "test.csv", rows)
    (tmp_path / "rul.txt").write_text("6\n9\n")
    data = config(tmp_path, test=str(path), rul_file=str(tmp_path / "rul.txt"))
    with pytest.raises(DataError, match="engine a follows b in the test file"):
        read_test_set(data, SplitConfig())
    (tmp_path / "rul.txt").write_text("asset,RUL\na,9\nb,6\n")
    found = read_test_set(data, SplitConfig())
    assert (found.names, found.rul.tolist()) == (["b", "a"], [6, 9])
    write_own(tmp_path / "test.csv", sorted(rows))
    (tmp_path / "rul.txt").write_text("9\n6\n")
    found = read_test_set(data, SplitConfig())
    assert (found.names, found.rul.tolist()) == (["a", "b"], [9, 6])
    assert [source.name for source in found.sources] == ["test.csv", "rul.txt"]
    (tmp_path / "rul.txt").write_text("6\n")
    with pytest.raises(DataError, match=r"found 1 row\(s\) in the file, expected 2"):
        read_test_set(data, SplitConfig())
    (tmp_path / "rul.txt").unlink()
    assert read_test_set(data, SplitConfig(), labels=False).rul is None  # it is not opened either
    with pytest.raises(DataError, match=r"no such file, but data\.rul_file names it"):
        read_test_set(data, SplitConfig())
