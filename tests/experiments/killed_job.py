"""A training job whose process is killed once; imported by worker processes."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from cmapss_rul.experiments.jobs import TrainJob


@dataclass(frozen=True)
class TrainJobKilledOnce(TrainJob):
    """Is killed after its first epoch unless the file `mark` exists, which it creates."""

    mark: Path = Path("killed")

    def __call__(self, send):
        def send_and_die(message):
            send(message)
            if not self.mark.exists():
                self.mark.write_text(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)

        super().__call__(send_and_die)
