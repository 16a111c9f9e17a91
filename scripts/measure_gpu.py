"""Run all measurements that need a GPU, part by part; see scripts/measure-gpu --help.

Each part runs in its own process with a time limit. Its result is printed and saved as soon as it
ends, so that an interrupted call keeps the finished parts.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cmapss_rul.bench.run import inspect_machine
from cmapss_rul.data.simulate import simulate
from cmapss_rul.training.device import pick_device
from scripts.gpu_parts import PARTS, Result, Setting


def main(arguments: list[str] | None = None) -> int:
    """Measure the parts one after another; return 1 if one failed or exceeded its time limit."""
    parser = argparse.ArgumentParser(prog="scripts/measure-gpu", description=__doc__)
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to test the script")
    parser.add_argument("--quick", action="store_true", help="few repetitions")
    parser.add_argument("--data", type=Path, help="folder of FD001; by default a simulated fleet")
    parser.add_argument("--output", type=Path, default=Path("gpu.jsonl"), help="JSON lines")
    parser.add_argument("--parts", default=",".join(PARTS), help="names of parts, comma-separated")
    parser.add_argument(
        "--minutes",
        type=float,
        default=9.0,
        help="time limit of the call, divided between the parts",
    )
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        setting = Setting(options.device, options.data, options.quick)
        print(json.dumps(PARTS[options.child][0](setting)))
        return 0
    if unknown := set(options.parts.split(",")) - PARTS.keys():
        parser.error(f"unknown part {', '.join(sorted(unknown))}; expected {', '.join(PARTS)}")
    end = time.monotonic() + 60 * options.minutes
    device = pick_device(options.device)
    with tempfile.TemporaryDirectory() as simulated, options.output.open("a") as file:
        data = options.data or Path(simulated)
        if options.data is None:
            simulate(data, engines=20 if options.quick else 100)
        _report(file, {"part": "machine", "ok": True, "result": inspect_machine(device)})
        failed = 0
        for name in options.parts.split(","):
            share = PARTS[name][1] * options.minutes / 9  # more minutes for a slow machine
            limit = min(share, end - time.monotonic())
            command = [sys.executable, "-P", "-m", "scripts.measure_gpu", "--child", name,
                       "--device", options.device, "--data", str(data.resolve())]  # fmt: skip
            line = _measure(name, [*command, *["--quick"] * options.quick], limit)
            _report(file, line)
            failed += not line["ok"]
    return int(failed > 0)


def _measure(name: str, command: list[str], limit: float) -> Result:
    """Run a part in its own process group, which is killed at the time limit."""
    if limit <= 1:
        return {"part": name, "ok": False, "error": "no time left"}
    start = time.monotonic()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return {"part": name, "ok": False, "error": f"stopped after {limit:.0f} s"}
    found: Result = {"part": name, "seconds": round(time.monotonic() - start, 1)}
    if process.returncode:
        return {**found, "ok": False, "error": (err.strip().splitlines() or [out])[-1][:500]}
    notes = {"notes": err.strip()[-500:]} if err.strip() else {}
    return {**found, "ok": True, "result": json.loads(out.strip().splitlines()[-1]), **notes}


def _report(file: Any, line: Result) -> None:
    """Print the result of a part, and append it to the file."""
    text = json.dumps(line)
    print(text, flush=True)
    file.write(text + "\n")
    file.flush()


if __name__ == "__main__":
    sys.exit(main())
