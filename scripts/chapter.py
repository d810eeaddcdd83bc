"""What every chapter script needs: where its files go, reports, training, the lab, and an `all` that can be continued.

    chapter = Chapter("ch04", "What does hindsight buy?")             # at the top of scripts/ch04_….py

    @chapter.command                                                   # a subcommand; its parameters become flags
    def compare(seeds: str = "0-2", mode: Mode = DEFAULT) -> int:      # --seeds, --smoke, --publish
        metas = [chapter.train(*FLAGS, "--seed", str(s), out=f"her_{s}", mode=mode) for s in parse_seeds(seeds)]
        chapter.write("compare", {"rows": rows(metas)}, mode)          # runs/ch04/compare.json
        return 0

    @chapter.command("all")
    def run_all(mode: Mode = DEFAULT) -> int:
        return chapter.run_all({"lab": partial(chapter.lab, "her_relabeler.py", mode),
                                "compare": partial(compare, mode=mode)}, mode, next_command="…")

    if __name__ == "__main__":
        chapter.main()

A reader's files go to `runs/chNN/`, which git ignores; `--publish` writes reports to `results/chNN_*.json` and pictures
to `tutorials/figures/chNN_*`, where the pages take them from; with `--smoke` everything goes to a temporary folder.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import tyro

from analysis.reports import DataReport, EvalReport, TrainMeta, load, save
from common.cli import parse, subcommands
from common.errors import UserError
from common.files import meta_path, sha256
from common.other_commands import check_status, run_command
from common.provenance import metadata
from persistence.continued_steps import run_continued

PUBLISHED = {".json": "results", ".png": "tutorials/figures", ".gif": "tutorials/figures"}


@dataclasses.dataclass(frozen=True)
class _Mode:
    """Where the files of a command go, and how much it does."""

    smoke: bool = False
    """Run everything at its smallest size, with all files in a temporary folder."""
    publish: bool = False
    """Write reports to results/ and pictures to tutorials/figures/, which git tracks, instead of to runs/."""

    def __post_init__(self) -> None:
        if self.smoke and self.publish:
            raise UserError("--smoke and --publish exclude each other: a smoke run measures nothing.")

    @property
    def private(self) -> _Mode:
        """The same, unpublished: for what stays with the reader, and for less than what pages show."""
        return dataclasses.replace(self, publish=False)


# Without a prefix: the flags are --smoke and --publish, not --mode.smoke.
Mode = Annotated[_Mode, tyro.conf.arg(name="")]
DEFAULT = _Mode()


class Chapter:
    """One chapter's script: its subcommands and its files."""

    def __init__(self, name: str, question: str):
        self.name, self.question = name, question
        self.commands: dict[str, Callable[..., Any]] = {}
        self._began = time.monotonic()

    def command(self, step: Any) -> Any:
        """Decorator: makes a function a subcommand, named after it or as in `@chapter.command("all")`."""
        if isinstance(step, str):
            return functools.partial(self._add, step)
        return self._add(step.__name__.replace("_", "-"), step)

    def _add(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(step)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._began = time.monotonic()
            return step(*args, **kwargs)

        self.commands[name] = timed
        return timed

    def main(self) -> NoReturn:
        """Run the subcommand that the command line names, and exit with its status."""
        sys.exit(subcommands(self.commands, Path(sys.argv[0]).name, f"{self.name}: {self.question}"))

    @functools.cached_property
    def smoke_folder(self) -> Path:
        """The temporary folder of this process's `--smoke` files."""
        return Path(tempfile.mkdtemp(prefix=f"{self.name}-"))

    def file(self, name: str, mode: _Mode = DEFAULT, given: str | None = None) -> Path:
        """The path of the file `name` (with its suffix, or the `--out` of a run without one).

        `given` is a path that the user typed, which wins; in smoke mode it is only a name in the temporary folder.
        """
        if mode.smoke:
            return self.smoke_folder / Path(given or name).name
        if given:
            return Path(given)
        folder = PUBLISHED.get(Path(name).suffix) if mode.publish else None
        return Path(folder, f"{self.name}_{name}") if folder else Path("runs", self.name, name)

    def write(self, name: str, data: dict[str, Any], mode: _Mode = DEFAULT, *, config: dict[str, Any] | None = None,
              given: str | None = None, **known: Any) -> Path:  # fmt: skip
        """Write the report `name` (without suffix) with `data`; `known` are fields of `analysis.reports.Metadata`.

        Its wall-clock time counts from the beginning of the command that is running.
        """
        path = self.file(f"{name}.json", mode, given)
        known.setdefault("wall_clock_s", round(time.monotonic() - self._began, 3))
        whole = mode.publish and not given
        save(path, DataReport(**metadata(config or {}, **known), name=name, data=data), whole=whole)
        print(f"report -> {path}")
        return path

    def call(self, script: str, *arguments: str) -> int:
        """Run a script of this project (a path from its root) in its own process. Raises as `check_status` does."""
        run_command(script, *arguments)
        return 0

    def train(self, *flags: str, out: str, mode: _Mode = DEFAULT, given: str | None = None) -> TrainMeta:
        """Run `train.py` with `flags` to `out` among this chapter's files, or to `given`; returns the run's metadata.

        An interrupted run is continued. A finished one with the same settings is not repeated; one with other
        settings is refused by `train.py`, which names them.
        """
        from common.renamed import today
        from configs.train_config import TrainConfig
        from train import main, resolved_for

        path = self.file(out, mode, given)
        words = [*flags, "--out", str(path), *(["--smoke"] if mode.smoke else [])]
        meta = meta_path(path)
        if meta.exists() and "--overwrite" not in flags:
            earlier = load(meta, TrainMeta)
            settings = resolved_for(parse(TrainConfig, words, "train.py")).settings
            if earlier.status == "finished" and today(earlier.config) == settings:
                print(f"{path}.zip is trained already: {earlier.steps:,} steps in {earlier.wall_clock_s:.0f} s")
                return earlier
        if mode.smoke:
            # In this process: a smoke run is shorter than the start of another one.
            check_status(main(words), "train.py", words)
        else:
            self.call("train.py", *words)
        return load(meta, TrainMeta)

    def evaluated(self, checkpoint: Path, env: str, episodes: int, mode: _Mode = DEFAULT) -> Path:
        """The report of a checkpoint on seeds 0, 1, …, made where none of these weights and as many exists."""
        from eval import EvalConfig, describe, evaluate

        path = self.file(f"{checkpoint.stem.lower()}_eval.json", mode.private)
        episodes = 2 if mode.smoke else episodes
        if path.exists() and checkpoint.exists():
            earlier = load(path, EvalReport)
            if len(earlier.seeds) == episodes and earlier.checkpoint_sha256 == sha256(checkpoint.read_bytes()):
                return path
        report = evaluate(EvalConfig(ckpt=str(checkpoint), env=env, seeds="0", n_episodes=episodes, json_out=str(path)))
        print(describe(report))
        return path

    def lab(self, lab: str, mode: _Mode = DEFAULT, *arguments: str) -> int:
        """The `--verify` of `scripts/labs/LAB`, its report as `lab.json`."""
        return self.call(f"scripts/labs/{lab}", "--verify", "--json-out", str(self.file("lab.json", mode)), *arguments)

    def page_report(self, gather: Callable[[Path], dict[str, Any]], draw: Callable[[dict[str, Any]], dict[str, Any]],
                    mode: _Mode = DEFAULT) -> int:  # fmt: skip
        """Write the page's numbers, which `gather` finds in results/, and the figures that `draw` makes of them."""
        from analysis.plots import save_figure

        data = gather(Path("results"))
        for name, figure in draw(data).items():
            save_figure(figure, path := str(self.file(f"{name}.png", mode)))
            print(f"figure -> {path}")
        self.write("report", data, mode)
        return 0

    def run_all(self, steps: dict[str, Callable[[], Any]], mode: _Mode = DEFAULT, next_command: str = "",
                given: str | None = None) -> int:  # fmt: skip
        """Run `steps` in order until one fails; returns its exit status. Writes the report `all`; says what comes next.

        After an interruption or a failure, the same command with the same code goes on with the step that failed.
        """
        state, copy = self.file("all.json", mode.private), self.file("all.json", mode, given)
        settings, whole = dataclasses.asdict(mode), mode.publish and not given
        status = run_continued(steps, state, f"{self.name}_all", settings, copy, only_whole=whole)
        if not status and next_command:
            print(f"next:\n  {next_command}")
        return status
