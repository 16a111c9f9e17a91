"""Data-parallel training: the steps of one process, one-line errors, resumable runs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from cmapss_rul.cli.output import error_line
from cmapss_rul.system.errors import RulError, UsageError
from cmapss_rul.system.signals import Interrupted, StopSignals, Terminated
from cmapss_rul.training import checkpoint_file, ranks
from cmapss_rul.training.ranks import (
    AlreadyReported,
    DistributedGroup,
    ProcessGroup,
    join_process_group,
)
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.train import train
from tests.processes import command, fork, is_running, wait
from tests.training.inputs import (
    Recorder,
    comparable_content,
    differences,
    metric_rows,
    tiny_config,
    tiny_config_dict,
)
from tests.training.two_ranks import all_variants

ROOT = Path(__file__).parents[2]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
RUL = ["--no-python", sys.executable, "-m", "cmapss_rul"]
EXIT_TIMEOUT = 60
"""Seconds after which a rank that should have ended is killed, so that its test fails."""

pytestmark = pytest.mark.skipif(
    not torch.distributed.is_available() or not torch.distributed.is_gloo_available(),
    reason="this PyTorch has no gloo",
)


def start_ranks(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*TORCHRUN, *map(str, arguments)], env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, **options,
    )  # fmt: skip


def wait_for_ranks(process):
    """Exit code, stdout, and lines of stderr.

    Only our own lines and warnings; all lines if a failure has none of these.
    """
    out, err = process.communicate()
    lines = err.splitlines()
    own = [line for line in lines if line.startswith("rul:") or "Warning:" in line]
    return process.returncode, out, own or (lines if process.returncode else [])


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory, eight_engine_dir):
    """The same steps in one process and in two ranks, and the output and folder of a run of two."""
    folder = tmp_path_factory.mktemp("ranks")
    arguments = [
        "train",
        "--config",
        write_config(folder, eight_engine_dir),
        "--output",
        folder / "run",
    ]
    process = start_ranks("-m", "tests.training.two_ranks", folder, *arguments)
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(1)
    alone = all_variants(ProcessGroup())
    torch.set_num_threads(threads)
    torch.set_rng_state(state)
    end = wait_for_ranks(process)
    assert end[0] == 0, end[2]
    steps = alone, *(torch.load(folder / f"rank{rank}.pt") for rank in (0, 1))
    return steps, end, RunFolder(folder / "run")


@pytest.fixture(scope="module")
def found(two_ranks):
    """Recorded steps of a single process and of each of two ranks."""
    return two_ranks[0]


def largest_difference(one, other):
    """Largest relative difference of a tensor (in norm), and the tensor's name."""
    if isinstance(one, torch.Tensor):
        size = max(float(one.double().norm()), 1e-6)
        return float((one.double() - other.double()).norm()) / size, ""
    assert one.keys() == other.keys()
    return max(
        ((largest_difference(one[key], other[key])[0], key) for key in one), default=(0.0, "")
    )


def test_two_ranks_take_the_steps_of_one_process_with_every_balancer(found):
    alone, first, second = found
    assert len(alone) > 25
    for name, whole in alone.items():
        if name in ("dropout", "resumed"):
            continue
        for part in ("weights", "averaged", "balancer", "measures", "gradients"):
            assert largest_difference(whole[part], first[name][part]) < (1e-3, ""), (name, part)
        assert torch.equal(whole["generator"], first[name]["generator"]), name
        assert differences(first[name], second[name]) == [], name  # bit for bit


def test_ranks_draw_different_dropout_and_share_all_other_draws(found):
    alone, first, second = found
    assert differences(first["dropout"], second["dropout"]) == []
    assert not torch.equal(alone["dropout"]["generator"], first["dropout"]["generator"])
    weights = [found["dropout"]["measures"][:, 2:4] for found in (alone, first)]
    assert not torch.equal(*weights)  # of `random`: in a single process, dropout draws in between
    assert largest_difference(alone["dropout"]["measures"], first["dropout"]["measures"])[0] > 1e-3


def test_ranks_resume_exactly_with_dropout_and_random_weights(found):
    for one in found:
        assert differences(one["dropout"], one["resumed"]) == []


def test_an_odd_batch_is_shared_and_the_ranks_are_named(found):
    _, first, second = found
    assert (first["share"].tolist(), second["share"].tolist()) == ([0, 1, 2, 3], [4, 5, 6])
    assert first["description"] == second["description"]
    assert first["description"].startswith("2 ranks, joined by gloo: rank 0 (")
    assert ", process " in first["description"].partition("rank 1 (")[2]


def write_config(folder, eight_engine_dir, **parts):
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(tiny_config_dict(eight_engine_dir, **parts)))
    return path


def test_a_run_of_two_ranks_is_an_ordinary_run(eight_engine_dir, two_ranks, finished_run):
    _, (code, out, reports), run = two_ranks
    assert (code, reports) == (0, [])
    assert out.count("epoch 1/2") == out.count("rul evaluate") == 1  # rank 0 alone reports
    assert "2 ranks, joined by gloo: rank 0 (" in out
    assert {p.name for p in run.path.iterdir()} == {p.name for p in finished_run.iterdir()}
    assert checkpoint_file.read(run.last)["host"]["ranks"] == 2
    one, two = (
        comparable_content(folder / "best.pt")["model"] for folder in (finished_run, run.path)
    )
    assert largest_difference(one, two) < (1e-3, "")
    for here, there in zip(
        metric_rows(run.metrics), metric_rows(finished_run / "metrics.csv"), strict=True
    ):
        for name, value in there.items():
            assert float(here[name]) == pytest.approx(float(value), rel=1e-3), name
    # one process goes on with it, and says so
    more, recorder = tiny_config(eight_engine_dir, train={"epochs": 3}), Recorder()
    train(more, run.path, resume=True, device="cpu", reporters=[recorder])
    assert any("the number of ranks was 2 and is 1: the run resumes" in t for t in recorder.notes)
    assert [row["epoch"] for row in recorder.rows] == [3]


def start_endless_run(eight_engine_dir, folder):
    """Start a run of two ranks; after its first epoch, return it and the process IDs."""
    path = write_config(folder, eight_engine_dir, train={"epochs": 100_000, "ema": None})
    run = RunFolder(folder / "run")
    process = start_ranks(*RUL, "train", "--config", path, "--output", run.path)
    while not run.metrics.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    named = run.log.read_text().partition("2 ranks")[2].splitlines()[0]
    pids = [int(part.split(",")[0]) for part in named.split("process ")[1:]]
    return process, run, pids


def lost_rank_error(rank):
    """Error of a rank that has lost the other one."""
    return (
        f"rul: error: another rank has died or hangs, so rank {rank} of 2 stops, too; the last "
        "checkpoint is retained: resume with the same command and --resume auto"
    )


def assert_resumable(run, eight_engine_dir):
    """Assert that the last checkpoint is past the first epoch and can be resumed."""
    content = checkpoint_file.read(run.last)
    assert content["loop"]["epoch"] >= 1
    more = tiny_config(eight_engine_dir, train={"epochs": 100_000, "ema": None})
    stopper = Recorder()
    stopper.batch_end = lambda _: signal.raise_signal(signal.SIGTERM)
    with pytest.raises(Interrupted):
        train(more, run.path, resume=True, device="cpu", reporters=[stopper])
    assert checkpoint_file.read(run.last)["loop"]["step"] == content["loop"]["step"] + 1


def test_a_dead_rank_ends_the_others_with_one_line_and_a_resumable_run(eight_engine_dir, tmp_path):
    process, run, pids = start_endless_run(eight_engine_dir, tmp_path)
    os.kill(pids[1], signal.SIGKILL)
    code, _, reports = wait_for_ranks(process)
    assert code == 1
    assert reports == [lost_rank_error(0)]
    assert_resumable(run, eight_engine_dir)


def fork_rank(task, output, rank, port=0, timeout=0.5):
    """Fork one of two ranks, without the slow start of torchrun."""

    def run():
        settings = {"RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        os.environ.update({key: str(value) for key, value in settings.items()})
        os.environ["TORCHELASTIC_USE_AGENT_STORE"] = str(port > 0)
        ranks.HUNG_AFTER = timeout
        return task()

    return fork(run, output)


@pytest.fixture
def fork_ranks(tmp_path):
    """A function that forks both ranks of a command; returns process ID and output file of each."""
    stores = []  # serve until the test ends

    def start(*arguments, timeout=15.0):
        store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        stores.append(store)
        outputs = [tmp_path / f"output{rank}" for rank in (0, 1)]
        task = command(*arguments)
        return [
            (fork_rank(task, output, rank, store.port, timeout), output)
            for rank, output in enumerate(outputs)
        ]

    return start


@pytest.fixture
def start_endless_ranks(fork_ranks, eight_engine_dir, tmp_path):
    """A function that starts an endless run of two ranks and waits for its first epoch."""

    def start(timeout=15.0):
        path = write_config(tmp_path, eight_engine_dir, train={"epochs": 100_000, "ema": None})
        run = RunFolder(tmp_path / "run")
        found = fork_ranks("train", "--config", path, "--output", run.path, timeout=timeout)
        while not run.metrics.exists():
            assert is_running(found[0][0]), found[0][1].read_text()
            time.sleep(0.01)
        return found, run

    return start


def wait_for(process, output):
    """Wait for a process that was sent a signal; return its exit code and output."""
    deadline = time.monotonic() + EXIT_TIMEOUT
    while (end := os.waitpid(process, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.01)
    return os.waitstatus_to_exitcode(end[1]), output.read_text()


@pytest.mark.parametrize(
    ("other", "number"), [(0, signal.SIGKILL), (1, signal.SIGKILL), (1, signal.SIGSTOP)]
)
def test_a_rank_ends_with_one_line_after_the_other_is_lost(
    eight_engine_dir, start_endless_ranks, other, number
):
    """A stopped rank keeps its connections, so the other's collective does not fail by itself."""
    found, run = start_endless_ranks(timeout=0.5)
    left, (process, _) = 1 - other, found[other]
    os.kill(process, number)
    os.kill(found[left][0], signal.SIGTERM)  # as torchrun does
    code, reports = wait_for(*found[left])
    os.kill(process, signal.SIGKILL)
    wait(process)
    assert code == 1
    assert reports.splitlines()[-1] == lost_rank_error(left)
    assert "rul:" not in reports.replace(lost_rank_error(left), "")
    assert_resumable(run, eight_engine_dir)


def test_a_rank_that_waits_for_one_that_never_joins_ends_at_a_signal(tmp_path):
    def join():
        module = sys.modules["torch.distributed.rendezvous"]
        rendezvous = module.rendezvous

        def signalled(url):
            os.kill(os.getpid(), signal.SIGTERM)
            return rendezvous(url)

        module.rendezvous = signalled
        with StopSignals(), join_process_group("cpu"):
            return 0

    output = tmp_path / "output"
    assert wait_for(fork_rank(join, output, 0), output) == (1, lost_rank_error(0) + "\n")


def assert_state_saved(reports, run):
    """Assert that the only line reports the saved state, and that the state is saved."""
    (line,) = reports
    assert line.startswith("rul: stopped by SIGTERM in epoch ")
    assert "the state is saved" in line
    loop = checkpoint_file.read(run.last)["loop"]
    assert loop["batch"] > 0 or loop["epoch"] == len(metric_rows(run.metrics))


@pytest.mark.slow
def test_a_signal_to_torchrun_saves_and_ends_all(eight_engine_dir, tmp_path):
    process, run, _ = start_endless_run(eight_engine_dir, tmp_path)
    process.terminate()
    code, _, reports = wait_for_ranks(process)
    assert code != 0
    assert_state_saved(reports, run)


def collect_errors(found):
    """Exit codes of both ranks, our own lines and warnings, and all lines of their output."""
    codes, texts = zip(*(wait_for(*one) for one in found), strict=True)
    lines = [line for text in texts for line in text.splitlines()]
    return codes, [line for line in lines if line.startswith("rul:") or "Warning:" in line], lines


@pytest.mark.parametrize("target", [0, 1])
def test_a_signal_to_one_rank_saves_and_ends_both(start_endless_ranks, target):
    found, run = start_endless_ranks()
    os.kill(found[target][0], signal.SIGTERM)
    codes, reports, _ = collect_errors(found)
    assert sorted(codes) == [1, 143]  # of the rank that reports
    assert_state_saved(reports, run)


def test_an_error_of_all_ranks_is_printed_once(fork_ranks, eight_engine_dir, tmp_path):
    path = write_config(tmp_path, eight_engine_dir)
    (tmp_path / "run").mkdir()
    codes, reports, lines = collect_errors(
        fork_ranks("train", "--config", path, "--output", tmp_path / "run")
    )
    assert sorted(codes) == [1, 2]
    assert len(reports) == len(lines) == 1
    assert "exists already and is left alone" in reports[0]
    path = write_config(tmp_path, eight_engine_dir, train={"batch_size": 1})
    codes, reports, _ = collect_errors(
        fork_ranks("train", "--config", path, "--output", tmp_path / "new")
    )
    assert sorted(codes) == [1, 2]
    assert len(reports) == 1
    assert "train.batch_size: a batch of 1 windows cannot be shared by 2 ranks" in reports[0]


# ---- without other processes ---------------------------------------------------------------


def rank_of_two(rank=0):
    one = DistributedGroup.__new__(DistributedGroup)
    one.rank, one.size, one._device = rank, 2, torch.device("cpu")
    return one


def test_batch_normalisation_is_refused_on_cpus(eight_engine_dir):
    model = {"cnn": {"channels": [3], "kernel": 3, "batch_norm": True}}
    network = tiny_config(eight_engine_dir, model=model).model.build(4, 3, 125)
    with pytest.raises(UsageError, match=r"model\.cnn\.batch_norm: found true with 2 ranks"):
        rank_of_two().with_sync_batch_norm(network)
    assert ProcessGroup().with_sync_batch_norm(network) is network
    without = tiny_config(eight_engine_dir).model.build(4, 3, 125)
    assert rank_of_two().with_sync_batch_norm(without) is without


def test_a_signal_during_the_exchange_of_signals_is_shared_next_time():
    class Exchange:
        ReduceOp = torch.distributed.ReduceOp

        @staticmethod
        def all_reduce(*_):
            signal.raise_signal(signal.SIGTERM)

    one = rank_of_two()
    one._comm = Exchange
    with StopSignals() as stop:
        assert one.share_signal(stop) is None  # as on the other ranks
        assert one.share_signal(stop) == signal.SIGTERM


def test_too_small_a_batch_is_refused():
    with pytest.raises(UsageError, match="a batch of 1 windows cannot be shared by 2 ranks"):
        rank_of_two().local_share(torch.arange(1))
    assert rank_of_two(1).local_share(torch.arange(2)).tolist() == [1]


def test_rank_draws_depend_on_rank_and_step_and_leave_the_generator():
    def drawn(rank, step):
        with rank_of_two(rank).rank_generator(5, step):
            return torch.rand(1).item()

    before = torch.get_rng_state()
    assert drawn(0, 3) == drawn(0, 3)
    assert len({drawn(0, 3), drawn(1, 3), drawn(0, 4)}) == 3
    assert torch.equal(torch.get_rng_state(), before)


def test_a_single_process_joins_nothing(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with join_process_group("no device, and nobody asks") as one:
        assert (one.first, one.size, one.description) == (True, 1, "")
    index, stop = torch.arange(5), StopSignals()
    assert one.local_share(index) is index
    assert one.share_signal(stop) is None
    stop.received = signal.SIGINT
    assert one.share_signal(stop) == signal.SIGINT
    over, under, kpis = torch.tensor([6.0, 1]), torch.tensor([3.0, 4]), torch.tensor([0.5, 1])
    losses, same = one.batch_means(over, under, kpis, 5)
    assert losses.tolist() == [2, 0.25]
    assert same is kpis


@pytest.mark.parametrize(
    ("error", "rank", "message"),
    [
        (
            RuntimeError("[pair.cc:5] gloo: Connection closed by peer"),
            0,
            "so rank 0 of 2 stops",
        ),
        (torch.distributed.DistBackendError("NCCL"), 1, "so rank 1 of 2 stops"),
        (Terminated(), 1, "so rank 1 of 2 stops"),
        (UsageError("no data"), 0, "no data"),
        (UsageError("no data"), 1, "rank 1: no data"),
        (Interrupted("stopped", 143), 1, "stopped"),
    ],
)
def test_error_messages_of_ranks(error, rank, message):
    reported = ranks._reported_error(error, rank, 2)
    assert message in str(reported)
    line, code = error_line(reported)
    assert line.startswith("rul: ")
    assert code == (143 if isinstance(error, Interrupted) else getattr(error, "exit_code", 1))


def test_an_error_reported_by_another_rank_is_not_repeated():
    assert error_line(AlreadyReported()) == ("", 1)


def test_a_failed_rendezvous_is_reported_in_one_line(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with (
        pytest.raises(RulError, match="torchrun: the ranks cannot find each other: "),
        join_process_group("cpu"),
    ):
        pass
