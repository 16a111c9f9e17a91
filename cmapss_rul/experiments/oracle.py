"""Oracle: the test RMSE of each epoch, to compute the optimism of test-set selection.

Nothing else depends on it. Only here, and only with `rul compare --oracle`, a test file is read
before all runs have finished.
"""

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

import torch

from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.fleet import Times
from cmapss_rul.data.labels import cap_rul
from cmapss_rul.data.preprocess import Preprocessor
from cmapss_rul.data.split import SplitConfig
from cmapss_rul.data.testset import read_test_set
from cmapss_rul.data.windows import Windows
from cmapss_rul.metrics.regression import rmse
from cmapss_rul.model.network import Network, predict
from cmapss_rul.system.files import write_atomic
from cmapss_rul.training.reporters import Reporter

COLUMNS = ("epoch", "oracle_test_rmse", "mark")
MARK = "oracle: chosen on the test set"
"""Mark of metrics selected on the test set."""


def oracle_file(run: Path) -> Path:
    """Return the file in a run folder with the test RMSE of each epoch."""
    return run / "oracle.csv"


@dataclass
class Oracle(Reporter):
    """Records the test RMSE of each epoch: last windows, capped labels, cycles.

    On resumption, records of finished epochs are kept and later ones replaced. `split` draws the
    held-out test engines of a user's fleet without a test file.
    """

    data: DataConfig
    split: SplitConfig
    file: Path
    _test: tuple[Windows, Times] | None = field(default=None, init=False)

    def evaluated(self, epoch: int, network: Network, preprocessor: Preprocessor) -> None:
        """Evaluate an epoch's network on the test set, and record its RMSE."""
        if self._test is None:  # once, since the preprocessor of a run is constant
            self._test = self._last_windows(preprocessor, next(network.parameters()).device)
        windows, true = self._test
        rul, _ = predict(network, windows)
        predicted = rul.clamp(0, self.data.cap).cpu().double().numpy()
        # a run killed between this write and its checkpoint repeats the epoch
        records = {n: value for n, value in read_oracle(self.file).items() if n < epoch}
        records[epoch] = rmse(predicted, true)
        write_atomic(self.file, _as_csv(records))

    def _last_windows(
        self, preprocessor: Preprocessor, device: torch.device
    ) -> tuple[Windows, Times]:
        """Return the last window of each test engine, and its capped RUL, cycles."""
        tested = read_test_set(self.data, self.split, progress=False)
        assert tested.rul is not None
        series = torch.from_numpy(preprocessor.transform(tested.fleet)).to(device)
        windows = Windows.last_cycle(series, tested.fleet, self.data.window)
        return windows, cap_rul(tested.rul, self.data.cap)


def read_oracle(file: Path) -> dict[int, float]:
    """Read the test RMSE by epoch; empty if the file is missing or damaged."""
    try:
        rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
        return {int(row[COLUMNS[0]]): float(row[COLUMNS[1]]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError):  # `finished_history` reports missing epochs
        return {}


def _as_csv(records: dict[int, float]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((epoch, value, MARK) for epoch, value in records.items())
    return text.getvalue()
