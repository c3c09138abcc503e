import json
from pathlib import Path

import numpy as np
import pytest

from training.corpora.prepare import Sources, Task, gather
from training.corpora.store import StoreWriter
from training.text.spelling import BLANK, CHARACTERS, WORD_GAP

PHONES = [BLANK, "a", "k", "m", "n"]
WRITTEN = [BLANK, WORD_GAP, *CHARACTERS]
TINY = {"width": 16, "heads": 2, "layers": 2, "merge_after": 1, "spelling_width": 16, "spelling_heads": 2,
        "spelling_blocks": 1, "kernel": 5}  # fmt: skip
"""What makes a network small."""


@pytest.fixture(scope="package")
def tasks(speech_dir: Path) -> list[Task]:
    """The clips that the recipe makes, with ten hours of espeak-ng."""
    return gather(Sources.of_recipe(speech_dir), 10.0)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A working folder whose store has short tones of four groups, two of them of a held-out book."""
    rng = np.random.default_rng(0)
    writer = StoreWriter(tmp_path / "store")
    for index in range(24):
        steps = np.arange(int(rng.uniform(0.5, 1.5) * 16000)) / 16000
        tone = np.sin(2 * np.pi * (200 + 40 * index) * steps) * 8000 + rng.normal(0, 100, len(steps))
        group = ("espeak", "hindi", "languages", "kokoro")[index % 4]
        spelt = group != "languages"
        writer.add(
            tone.astype(np.int16),
            split="held-out" if index in (1, 9) else "train",
            group=group,
            source="reader-hi" if group == "hindi" else group,
            language="hi" if spelt else "sw",
            speaker=f"s{index}",
            weight=1.0 + index % 2,
            phones="k a m a n",
            text="कम न" if spelt else "",
        )
    writer.close()
    symbols = {"phones": PHONES, "characters": WRITTEN, "hours": {"hindi": {"reader-hi": 0.01}}}
    (tmp_path / "store" / "symbols.json").write_text(json.dumps(symbols), encoding="utf-8")
    return tmp_path
