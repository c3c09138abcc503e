import json
import os
from pathlib import Path

import numpy as np
import pytest

from training.spelling import BLANK, CHARACTERS, WORD_GAP
from training.store import StoreWriter

PHONES = [BLANK, "a", "k", "m", "n"]


def require(module: str) -> None:
    """Skip the module's tests on a laptop without it, fail them in CI."""
    if os.environ.get("CI"):
        __import__(module)
    pytest.importorskip(module)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A working folder whose store has short tones: some spelt, some not, two of a held-out book."""
    rng = np.random.default_rng(0)
    writer = StoreWriter(tmp_path / "store")
    for index in range(24):
        steps = np.arange(int(rng.uniform(0.5, 1.5) * 16000)) / 16000
        tone = np.sin(2 * np.pi * (200 + 40 * index) * steps) * 8000 + rng.normal(0, 100, len(steps))
        source = ("synthetic", "reader-hi", "other")[index % 3]
        writer.add(
            tone.astype(np.int16),
            split="held-out" if index in (4, 8) else "train",
            source=source,
            language="sw" if source == "other" else "hi",
            speaker=f"s{index}",
            repeat=1 + index % 2,
            phones="k a m a n",
            text="" if source == "other" else "कम न",
        )
    writer.close()
    symbols = {
        "phones": PHONES,
        "characters": [BLANK, WORD_GAP, *CHARACTERS],
        "hours": {"other (train)": 0.01},
    }
    (tmp_path / "store" / "symbols.json").write_text(json.dumps(symbols), encoding="utf-8")
    return tmp_path
