"""The commands of chapter 09 under the name that the syllabus gives them; everything is in scripts/ch09_pixels.py.

    python scripts/ch10_visual_reach.py train-pixel --seed 0          # as: python scripts/ch09_pixels.py train-pixel …
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("ch09_pixels.py")


def main() -> None:
    """Run chapter 09's script with this command line; exits with its status."""
    # What it imports from beside itself is found there, whoever runs this.
    sys.path.insert(0, str(SCRIPT.parent))
    runpy.run_path(str(SCRIPT), run_name="__main__")


if __name__ == "__main__":
    main()
