"""The best test epoch of a run: an oracle, noted to show how much choosing on the test set lies.

Nothing else depends on it. It is the one place where a test file is read before every run has
finished, and only where `rul compare --oracle` asks for it.
"""

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

import torch

from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.labels import cap_rul
from cmapss_rul.data.preprocess import Preprocessor
from cmapss_rul.data.split import SplitConfig
from cmapss_rul.data.testset import read_test_set
from cmapss_rul.data.windows import Windows
from cmapss_rul.metrics.regression import rmse
from cmapss_rul.model.network import Network, predict
from cmapss_rul.system.files import write_atomic
from cmapss_rul.training.loggers import Reporter

FILE = "oracle.csv"
COLUMNS = ("epoch", "oracle_test_rmse", "mark")
MARK = "oracle: chosen on the test set"
"""How every figure that comes from here is marked."""


def path_of(run: Path) -> Path:
    """Where a run folder's notes stand."""
    return run / FILE


@dataclass
class Oracle(Reporter):
    """Notes the test RMSE of each epoch: last windows, capped labels, cycles.

    A reporter of a run. A run that goes on after an interruption keeps the notes of the
    epochs it has finished, and takes the others anew.

    Attributes:
        data: which files, and how windows are made.
        split: which engines are set aside, where a user has no test file.
        file: where the notes go.
    """

    data: DataConfig
    split: SplitConfig
    file: Path
    _windows: Windows | None = field(default=None, init=False)
    _rul: torch.Tensor = field(default_factory=lambda: torch.zeros(0), init=False)

    def evaluated(self, epoch: int, network: Network, preprocessor: Preprocessor) -> None:
        """Evaluate an epoch's network, and write the notes down in one step."""
        if self._windows is None:
            device = next(network.parameters()).device
            self._windows = self._last_windows(preprocessor, device)
        rul, _ = predict(network, self._windows)
        predicted = rul.clamp(0, self.data.cap).double().cpu().numpy()
        notes = {number: found for number, found in read_notes(self.file).items() if number < epoch}
        notes[epoch] = rmse(predicted, self._rul.numpy())
        write_atomic(self.file, _as_csv(notes))

    def _last_windows(self, preprocessor: Preprocessor, device: torch.device) -> Windows:
        tested = read_test_set(self.data, self.split, progress=False)
        assert tested.rul is not None
        fleet = tested.fleet
        self._rul = torch.from_numpy(cap_rul(tested.rul, self.data.cap))
        series = torch.from_numpy(preprocessor.transform(fleet)).to(device)
        return Windows.last_cycle(series, fleet, self.data.window)


def read_notes(file: Path) -> dict[int, float]:
    """Read the test RMSE by epoch; empty where there are no notes that can be read."""
    try:
        rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
        return {int(row[COLUMNS[0]]): float(row[COLUMNS[1]]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _as_csv(notes: dict[int, float]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((epoch, figure, MARK) for epoch, figure in notes.items())
    return text.getvalue()
