"""Chapter 10: would it survive the real world? A checklist before hardware, and what makes a policy pass it.

    python scripts/ch10_reality_gap.py readiness --ckpt checkpoints/reference/FetchPush-v4.zip
    python scripts/ch10_reality_gap.py readiness --ckpt checkpoints/reference/FetchSlide-v4.zip   # should fail

Everything can be interrupted; the same command continues. What is finished is not done again.
"""

from __future__ import annotations

from pathlib import Path

from chapter import DEFAULT, Chapter, Mode

from analysis.reports import DataReport, TrainMeta, load
from common.files import write_atomically

chapter = Chapter("ch10", "Would it survive the real world?")
PUSH = "checkpoints/reference/FetchPush-v4.zip"


@chapter.command
def readiness(ckpt: str = PUSH, n_episodes: int = 200, perturbed_episodes: int = 100, mode: Mode = DEFAULT) -> int:
    """The deployment checklist on any checkpoint: a report and a page, which say ready or not, and why."""
    from agents.archive import read_meta, zip_path
    from analysis.readiness import verdict_text
    from analysis.readiness_page import page
    from callbacks.acting import acting
    from persistence.deployment import examine

    meta: TrainMeta = read_meta(zip_path(ckpt))
    if mode.smoke:
        n_episodes = perturbed_episodes = 1
    data = examine(
        ckpt, meta.env_id, acting, n_episodes, perturbed_episodes, keep=chapter.file("grid", mode),
        tell=lambda found: print(f"  {found.point.labels['name']}: {sum(found.column('success'))} of {len(found.rows)}",
                                 flush=True),
    )  # fmt: skip
    print(verdict_text(data["policy"], data["verdict"]))
    name = f"readiness_{Path(ckpt).stem.lower()}"
    path = chapter.write(name, data, mode, env_id=meta.env_id, evaluation_protocol="deterministic policy, seeds from 0")
    write_atomically(html := path.with_suffix(".html"), page(load(path, DataReport)))
    print(f"page -> {html}")
    return 0


if __name__ == "__main__":
    chapter.main()
