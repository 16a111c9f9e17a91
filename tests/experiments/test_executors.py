"""Jobs as Ray tasks: the same files as in this process, even if workers are killed."""

import importlib.util
import os
import signal
import sys
from functools import partial

import pytest

from cmapss_rul.experiments import baseline, executors
from cmapss_rul.experiments import compare as compare_module
from cmapss_rul.experiments.compare import compare
from cmapss_rul.experiments.executors import Options, RayExecutor
from cmapss_rul.experiments.runs import run_folder
from cmapss_rul.system.errors import RulError, UsageError
from cmapss_rul.system.signals import Interrupted
from cmapss_rul.system.workers import JobEvent
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.runs import RunFolder
from tests.experiments.jobs import (
    AppendingJob,
    AppendingJobKilledOnce,
    FailingJob,
    NeverEndingJob,
    RemoteJob,
)
from tests.experiments.killed_job import TrainJobKilledOnce
from tests.system.test_workers import ROOT, Recorder
from tests.training.inputs import assert_same_run

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="ray, of the extra [ray], is not installed"
)


def lines(recorder):
    """Recorded events as tuples."""
    found = []
    for event in recorder.events:
        value = {"started": (), "progress": (event.message,), "ended": (event.error,)}[event.kind]
        found.append((event.kind, event.job, *value))
    return found


@pytest.fixture(scope="module")
def two_workers():
    """A local Ray with two CPUs that is already initialised."""
    import ray

    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(ROOT)  # the workers import tests.experiments.jobs
    handler = signal.getsignal(signal.SIGTERM)
    ray.init(
        address="local", num_cpus=2, include_dashboard=False, log_to_driver=False,
        logging_level="ERROR",
    )  # fmt: skip
    yield ray
    ray.shutdown()
    signal.signal(signal.SIGTERM, handler)
    del os.environ["PYTHONPATH"]
    if before is not None:
        os.environ["PYTHONPATH"] = before


def test_a_job_whose_worker_is_killed_is_repeated(tmp_path, two_workers):
    del two_workers
    source, marks = tmp_path / "source.txt", tmp_path / "marks"
    source.write_text("well")
    marks.mkdir()
    jobs = [AppendingJob(name, tmp_path / name, source) for name in ("one", "two", "three")]
    recorder = Recorder()
    with RayExecutor() as ray:
        assert (
            ray.run(
                [jobs[0], AppendingJobKilledOnce(**vars(jobs[1]), marks=marks), jobs[2]], recorder
            )
            == {}
        )
    assert [(job.folder / "joined.txt").read_text() for job in jobs] == ["well"] * 3
    (died,) = marks.iterdir()
    (pid,) = [line[2]["pid"] for line in lines(recorder) if line[:2] == ("progress", "two")]
    assert int(died.name) not in (pid, os.getpid())


@pytest.mark.slow
def test_a_grid_with_a_killed_worker_equals_one_of_this_process(
    finished_grid, tmp_path, monkeypatch, two_workers
):
    grid, folder = finished_grid
    mark = tmp_path / "killed"
    monkeypatch.setattr(baseline, "TrainJob", partial(TrainJobKilledOnce, mark=mark))
    monkeypatch.setattr(compare_module, "draw", lambda *_: [])
    recorder = Recorder()

    def report(event):
        if isinstance(event, JobEvent):
            recorder(event)

    found = compare(grid, tmp_path / "grid", Options(executor="ray", processes=2), report)
    assert int(mark.read_text()) != os.getpid()
    for run in grid.runs:
        here, there = run_folder(run, folder), run_folder(run, tmp_path / "grid")
        assert_same_run(here, there)
        for name in ("evaluation.json", "predictions.csv", "config.yaml", "commit.txt"):
            assert (here / name).read_bytes() == (there / name).read_bytes(), name
        host = checkpoint_file.read(RunFolder(there).best)["host"]
        assert (host["folder"], host["data_dir"]) == (str(there), run.config.data.dir)
        epochs = [what.epoch for kind, name, *rest in lines(recorder)
                  if (kind, name) == ("progress", run.name) for what in rest]  # fmt: skip
        assert epochs == [1, 2]
    assert found.cells[0].n_seeds == 2
    before = {path: path.read_bytes() for path in (tmp_path / "grid").rglob("*.pt")}
    recorder.events.clear()
    compare(grid, tmp_path / "grid", Options(executor="ray"), report)
    assert lines(recorder) == []  # a finished grid has nothing to do
    assert before == {path: path.read_bytes() for path in (tmp_path / "grid").rglob("*.pt")}
    assert (
        two_workers.is_initialized()
    )  # the executor does not shut down a Ray that it did not start


def test_sources_are_sent_once_and_folders_returned(tmp_path, monkeypatch, two_workers):
    put, stored = two_workers.put, []
    monkeypatch.setattr(two_workers, "put", lambda value: stored.append(value) or put(value))
    source = tmp_path / "source.txt"
    source.write_text("new")
    jobs = [
        AppendingJob(str(number), tmp_path / "runs" / str(number), source) for number in range(3)
    ]
    jobs[1].folder.mkdir(parents=True)
    (jobs[1].folder / "joined.txt").write_text("old and ")
    recorder = Recorder()
    with RayExecutor() as ray:
        assert ray.run(jobs, recorder) == {}
    assert stored == [b"new"]
    assert [(job.folder / "joined.txt").read_text() for job in jobs] == [
        "new",
        "old and new",
        "new",
    ]
    assert {line[2]["threads"] for line in lines(recorder) if line[0] == "progress"} == {"1"}
    assert sorted(path.name for path in jobs[0].folder.iterdir()) == ["joined.txt"]
    assert [line[:2] for line in lines(recorder)[:3]] == [("started", str(n)) for n in range(3)]
    assert {line[1:] for line in lines(recorder) if line[0] == "ended"} == {
        (str(number), None) for number in range(3)
    }


def test_a_failed_job_is_named_and_stops_no_other(tmp_path, monkeypatch, two_workers):
    del two_workers
    monkeypatch.setattr(executors, "RETRIES", 0)
    source = tmp_path / "source.txt"
    source.write_text("well")
    jobs = [
        RemoteJob(FailingJob(how, how), tmp_path / how) for how in ("error", "killed", "defect")
    ]
    with RayExecutor() as ray:
        errors = ray.run([*jobs, AppendingJob("well", tmp_path / "well", source)], Recorder())
    assert errors.keys() == {"error", "killed", "defect"}
    assert errors["error"] == "no data"
    assert errors["defect"] == "ZeroDivisionError: oh"
    assert errors["killed"].startswith("its Ray task failed: ")
    assert "\n" not in errors["killed"]
    assert (tmp_path / "well" / "joined.txt").read_text() == "well"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_running_jobs(tmp_path, number, two_workers):
    del two_workers
    recorder = Recorder()

    def report(event):
        if (event.kind, event.job) == ("started", "two"):
            signal.raise_signal(number)
        elif event.kind != "started":
            recorder(event)

    jobs = [RemoteJob(NeverEndingJob(name), tmp_path / name) for name in ("one", "two")]
    with pytest.raises(Interrupted, match=f"stopped by {number.name}, finished runs") as caught:
        RayExecutor().run(jobs, report)
    assert caught.value.exit_code == 128 + number
    assert lines(recorder) == []


def test_ray_is_not_started_without_jobs(monkeypatch):
    monkeypatch.setattr(RayExecutor, "_join", lambda _: pytest.fail("Ray was started"))
    with RayExecutor() as ray:
        assert ray.run([], Recorder()) == {}


@pytest.mark.parametrize(
    ("address", "reason"),
    [("127.0.0.1:9", "refused"), ("nonsense", "Invalid address"), ("a\x1bb", "Invalid address")],
)
def test_a_missing_cluster_is_reported_in_one_line(address, reason, tmp_path, monkeypatch):
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:10")  # an address that is given has precedence
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(RulError, match=reason) as caught, RayExecutor(address) as engine:
        engine.run([RemoteJob(NeverEndingJob("one"), tmp_path)], Recorder())
    assert str(caught.value).startswith("--address ")
    assert str(caught.value).isprintable()
    assert signal.getsignal(signal.SIGTERM) == handler


def test_the_environment_may_name_a_cluster(tmp_path, monkeypatch):
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    with pytest.raises(RulError, match=r"--address 127\.0\.0\.1:9: "):
        RayExecutor().run([RemoteJob(NeverEndingJob("one"), tmp_path)], Recorder())


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'cmapss_rul\[ray\]'"):
        Options(executor="ray").start_executor()


@pytest.mark.parametrize(
    ("options", "device", "gpus"),
    [
        (Options(executor="ray"), "cpu", 0),
        (Options(executor="ray", device="cuda"), "cuda", 1),
        (Options(executor="ray", device="cuda", gpus=0.25), "cuda", 0.25),
        (Options(executor="ray", gpus=0.5), "auto", 0.5),
        (Options(), "auto", 0),
    ],
)
def test_resources_of_a_run(options, device, gpus):
    assert (options.device_per_run, options.gpus_per_run) == (device, gpus)
