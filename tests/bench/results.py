"""A synthetic result in which every requirement is just met."""

from typing import Any


def result(**changes: Any) -> dict[str, Any]:
    """A result of FD001; keyword arguments replace parts of it."""
    ratios = {"ratio_to_fixed": 1.02, "ratio_to_fixed_spread": 0.01}
    run = {"seconds": 20.0, "epochs": 5, "reached": True, "best": 12.0}
    plain: dict[str, Any] = {
        "subset": "FD001",
        "started": "2026-11-21T10:00:00+00:00",
        "files": "official files",
        "threads": 2,
        "minutes": 20.25,
        "quick": False,
        "peer_missing": None,
        "machine": {
            "processor": "X", "cores": 2, "memory_mb": 8000.0, "gpu": None, "system": "Linux",
            "load_average": 0.5, "versions": {"torch": "2.13.0"},
        },
        "accuracy": {
            "ratio_to_usual_loop": 3.0, "ratio_to_usual_loop_spread": 0.5,
            "seeds": [{"seed": 0, "usual_loop": run, "ours": run}],
        },
        "step": {
            "ratio_to_usual_loop": 1.0, "ratio_to_usual_loop_spread": 0.1,
            "share_of_matmul_limit": 0.65, "share_of_matmul_limit_spread": 0.1,
        },
        "published": {
            "step": {"share_of_matmul_limit": 0.89, "share_of_matmul_limit_spread": 0.1}
        },
        "data": {
            "cold_ratio_to_peer": 1.0, "cold_ratio_to_peer_spread": 0.1,
            "cached_ratio_to_peer": 10.0, "cached_ratio_to_peer_spread": 0.1,
            "peak_memory_mb": 299.0, "peak_memory_mb_spread": 1.0,
            "peer_peak_memory_mb": 300.0, "peer_peak_memory_mb_spread": 1.0,
        },
        "loader": {
            "windows_per_second": {"30": 119000.0}, "windows_per_second_spread": {"30": 100.0},
            "peer_windows_per_second": 119000.0, "peer_windows_per_second_spread": 100.0,
            "peak_memory_mb": {"30": 250.0},
        },
        "inference": {
            "windows_per_second": 9000.0, "windows_per_second_spread": 10.0,
            "one_window_ms": {"p50": 1.5, "p99": 2.5},
        },
        "balancers": {"amnl": ratios, "gradnorm": {**ratios, "ratio_to_fixed": 1.5}},
        "startup": {
            "import_torch_seconds": 1.0, "import_torch_seconds_spread": 0.1,
            "help_seconds": 0.3, "help_seconds_spread": 0.0,
            "evaluate_seconds": 4.0, "evaluate_seconds_spread": 0.1,
            "evaluate_ratio_to_import_torch": 3.5, "evaluate_ratio_to_import_torch_spread": 0.1,
            "first_step_seconds": 2.0, "first_step_seconds_spread": 0.1,
        },
    }  # fmt: skip
    return {**plain, **changes}
