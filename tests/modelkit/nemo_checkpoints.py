"""The `.nemo` archives of the tests, as NeMo wrote them and changed, and the original network's text."""

import io
import shutil
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from modelkit.families.nemo.config import ConformerConfig, ctc_head, section
from modelkit.families.nemo.family import CONFIG, WEIGHTS
from modelkit.families.nemo.vocabulary import BLANK, read_vocabulary
from modelkit.features.nemo import NemoFeatures
from modelkit.sources.archives import extract_members
from speech import WORD_MARK

FIXTURES: Final = Path(__file__).parent / "nemo_fixtures"


def checkpoint(name: str, folder: Path) -> Path:
    """Copy an archive into a folder of its own, and return the folder."""
    folder.mkdir(parents=True)
    shutil.copyfile(FIXTURES / f"{name}.nemo", folder / f"{name}.nemo")
    return folder


def rewritten(folder: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Change the members of a folder's archive, by name. Returns the folder."""
    (path,) = folder.glob("*.nemo")
    with tarfile.open(path) as archive:
        members = {
            member.name.removeprefix("./"): archive.extractfile(member).read()  # type: ignore[union-attr]
            for member in archive
            if member.isfile()
        }
    change(members)
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return folder


def reconfigured(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Change the configuration in a folder's archive."""

    def edit(members: dict[str, bytes]) -> None:
        config = yaml.safe_load(members[CONFIG])
        change(config)
        members[CONFIG] = yaml.safe_dump(config, allow_unicode=True).encode()

    return rewritten(folder, edit)


def multisoftmax(config: dict[str, Any]) -> None:
    """As AI4Bharat's fork of NeMo writes it: each language has outputs of its own."""
    config["tokenizer"]["type"] = "multilingual"
    config["decoder"]["multisoftmax"] = True
    config["aux_ctc"]["decoder"]["multisoftmax"] = True


def nemo_text(folder: Path, work: Path, language: str = "hi") -> Callable[[np.ndarray], str]:
    """Greedy text of the network in PyTorch, on features by torch's Fourier transform. Needs torch.

    tests/modelkit/test_nemo_family.py compares the same network with what NeMo itself computed.
    """
    from modelkit.families.nemo.network import NemoNetwork

    (archive,) = folder.glob("*.nemo")
    files: Mapping[str, Path] = extract_members(archive, work, lambda _: True, 2**30)
    config = yaml.safe_load(files[CONFIG].read_text(encoding="utf-8"))
    vocabulary = read_vocabulary(config, files, language)
    features = NemoFeatures.from_config(section(config, "preprocessor"))
    shape = ConformerConfig.from_config(config)
    network = NemoNetwork.load(files[WEIGHTS], ctc_head(config), shape, features, vocabulary)

    def text(waveform: np.ndarray) -> str:
        log_probs, _ = network.pipeline(waveform[None], np.array([len(waveform)]))
        return greedy(log_probs[0], vocabulary.tokens)

    return text


def greedy(log_probs: np.ndarray, tokens: tuple[str, ...]) -> str:
    """Best path decoding by its definition: no repetitions, no blanks."""
    best = log_probs.argmax(axis=1)
    kept = [tokens[now] for before, now in zip([-1, *best], best, strict=False) if now != before]
    shown = [token for token in kept if token != BLANK and not token.startswith("<")]
    return "".join(shown).replace(WORD_MARK, " ").strip()
