"""A training whose process is killed once; other processes import this file."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from cmapss_rul.experiments.jobs import TrainJob


@dataclass(frozen=True)
class KilledOnce(TrainJob):
    """Trains, and is killed after its first epoch unless `mark` is there: it leaves that."""

    mark: Path = Path("killed")

    def __call__(self, send):
        def send_and_die(message):
            send(message)
            if not self.mark.exists():
                self.mark.write_text(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)

        super().__call__(send_and_die)
