"""Runs train.py, eval.py and scripts in forked children: processes of their own, without the seconds of an import.

    python tests/contract/server.py        (a JSON object a line on stdin: argv, program, cwd, environment, setup)

`program` is `train`, `eval`, or the path of a script as Python's command line takes it. This process imports everything
once and then only forks; each child has its own exit status, signals, limits and standard streams, as if a shell had
started it. `setup` is Python that the child runs first, with the functions of this file at hand: how a test arranges a
kill in the middle of a write.
"""

from __future__ import annotations

import contextlib
import gc
import io
import itertools
import json
import os
import resource
import runpy
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


def at_step(number: int, action: Callable[[], None]) -> None:
    """Call `action` before the `number`-th step of any environment of this process."""
    from wrappers.recording import RecordTruth

    # Environments may step in threads; `next` on a counter is one operation for all of them.
    step, count = RecordTruth.step, itertools.count(1)

    def counted(self: RecordTruth, chosen: object) -> object:
        if next(count) == number:
            action()
        return step(self, chosen)

    RecordTruth.step = counted


def send(number: int) -> Callable[[], None]:
    """What sends this process a signal."""
    return lambda: os.kill(os.getpid(), number)


def at_file_operation(folder: str, number: int, log: str | None = None) -> None:
    """Kill this process right before the `number`-th operation that changes a file below `folder`.

    The interpreter reports every open, rename, removal and new folder to audit hooks, whichever library does it. Every
    fsync counts twice: as it is, and as a kill in the middle of the write, with half of the bytes on the disk. With
    `number` 0 nothing is killed; `log` collects one line for each operation.
    """
    count, root = 0, os.path.realpath(folder)

    def happened(what: str, path: object) -> None:
        nonlocal count
        count += 1
        if log:
            with os.fdopen(os.dup(log_file), "a") as file:
                file.write(f"{what} {path}\n")
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    log_file = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND) if log else -1

    def inside(path: object) -> bool:
        return isinstance(path, str | bytes | os.PathLike) and os.path.abspath(os.fsdecode(path)).startswith(root)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        changes = event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "shutil.rmtree")
        if event == "open":
            flags = arguments[2]
            changes = isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))
        if changes and inside(arguments[0]):
            happened(event, arguments[0])

    fsync = os.fsync

    def half_then_whole(descriptor: int) -> None:
        nonlocal count
        count += 1
        if count == number:
            os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        happened("fsync", descriptor)
        fsync(descriptor)

    os.fsync = half_then_whole
    sys.addaudithook(hook)


def limit_file_size(n_bytes: int) -> None:
    """From now on no file of this process can grow beyond `n_bytes`: as a full disk answers, from the kernel itself."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))


def child(job: dict[str, object]) -> None:
    """Never returns: become the command that `job` describes."""
    code = 1
    try:
        out = os.open(job["stdout"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        err = os.open(job["stderr"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        for target, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, out), (2, err)):
            os.dup2(source, target)
        # The parent reads jobs from its standard input; the child must not see what is buffered there.
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        os.chdir(job["cwd"])
        os.environ.update(job["environment"])
        exec(job["setup"], globals())  # noqa: S102 - the tests' own text
        code = run_program(job["program"], job["argv"])
    except SystemExit as stop:
        code = stop.code
    except KeyboardInterrupt:
        traceback.print_exc()
        code = 130
    except BaseException:
        traceback.print_exc()
    finally:
        # A test may have left no room even for what was printed.
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os._exit(code or 0)


def run_program(program: str, argv: list[str]) -> int:
    """The exit status of `train` or `eval`, or of a script that is run as `python program …` runs it."""
    if program in ("train", "eval"):
        sys.argv = [f"{program}.py", *argv]
        return sys.modules[program].main(argv)
    sys.argv = [program, *argv]
    sys.path.insert(0, os.path.dirname(os.path.abspath(program)))
    runpy.run_path(program, run_name="__main__")  # leaves through SystemExit, if with a status
    return 0


def warm_parser(train: object) -> None:
    """What the command line imports at its first use: parse one command that is refused afterwards."""
    with contextlib.redirect_stderr(io.StringIO()):
        assert train.main(["--algo", "ppo", "--her", "--env", "TinyReach-v0"]) == 2


def main() -> None:
    """Warm up, say so, then serve jobs until the end of the input."""
    warnings.simplefilter("ignore", DeprecationWarning)
    from common.openmp import spin_briefly

    # As train.py does before PyTorch comes; a child would be too late.
    spin_briefly()
    import imageio.v3
    import torch
    import torch._dynamo  # what the first optimiser would import, in seconds

    import eval
    import train
    from agents import build
    from callbacks import evaluation, nan_guard, progress, stop  # noqa: F401
    from common import provenance
    from envs import make, rollout, vector, video  # noqa: F401
    from persistence import clock, earlier_run, metric_log, run_files, run_meta  # noqa: F401
    from tests.contract import tiny

    torch.set_num_threads(1)
    make.register()
    tiny.register()
    # Asked once here, they cost the children nothing.
    provenance.git_state(), provenance.hardware()
    assert eval and train and build and imageio.v3
    warm_parser(train)
    # Otherwise each child's first collections walk, and copy, all of the libraries.
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if pid == 0:
            child(job)
        print(json.dumps({"pid": pid}), flush=True)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    main()
