"""Which files of a CTC checkpoint are fetched, and what its tokenizer's files become. Needs no torch."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from modelkit.errors import ExtraMissing, FamilyUnsupported, ModelkitError, SourceInvalid
from modelkit.families import Listing, Wishes
from modelkit.families.transformers_ctc import FAMILY
from modelkit.families.transformers_ctc.vocabulary import read_vocabulary
from speech.model_folder import read_tokens

CONFIG = {"model_type": "wav2vec2", "architectures": ["Wav2Vec2ForCTC"]}
SMALL = ["config.json", "preprocessor_config.json", "vocab.json", "tokenizer_config.json"]
HINDI = {"|": 0, "क": 1, "म": 2, "्": 3, "[UNK]": 4, "[PAD]": 5}
BRACKETS = {"unk_token": "[UNK]", "pad_token": "[PAD]"}


def wanted(names: Iterable[str], config: dict[str, Any] | None = None) -> list[str] | None:
    found = FAMILY.wanted(Listing(dict.fromkeys(names, 1), CONFIG if config is None else config))
    return None if found is None else sorted(found)


def test_the_smallest_set_of_files_is_wanted() -> None:
    others = [
        "README.md",
        "optimizer.pt",
        "training_args.bin",
        "flax_model.msgpack",
        "language_model/5gram.bin",
    ]
    weights = ["model.safetensors", "pytorch_model.bin"]
    assert wanted([*SMALL, *weights, *others]) == sorted([*SMALL, "model.safetensors"])
    assert wanted([*SMALL, "pytorch_model.bin", *others]) == sorted([*SMALL, "pytorch_model.bin"])


def test_all_files_of_weights_in_shards_are_wanted() -> None:
    shards = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    index = "model.safetensors.index.json"
    assert wanted([*SMALL, *shards, index, "pytorch_model.bin"]) == sorted([*SMALL, *shards, index])


@pytest.mark.parametrize(
    ("kind", "network"),
    [
        ("wav2vec2", "Wav2Vec2ForCTC"),
        ("hubert", "HubertForCTC"),
        ("wavlm", "WavLMForCTC"),
        ("wav2vec2-bert", "Wav2Vec2BertForCTC"),
    ],
)
def test_each_kind_is_known_with_a_ctc_head_alone(kind: str, network: str) -> None:
    files = [*SMALL, "model.safetensors"]
    assert wanted(files, {"model_type": kind, "architectures": [network]}) == sorted(files)
    with pytest.raises(FamilyUnsupported, match="fine-tuned for speech recognition"):
        wanted(files, {"model_type": kind, "architectures": [network.replace("CTC", "PreTraining")]})


@pytest.mark.parametrize("config", [{}, {"model_type": "whisper"}, {"model_type": ["wav2vec2"]}])
def test_another_family_is_left_to_others(config: dict[str, Any]) -> None:
    assert wanted([*SMALL, "model.safetensors"], config) is None


@pytest.mark.parametrize(
    ("names", "error", "said"),
    [
        (["config.json", "vocab.json", "model.safetensors"], SourceInvalid, "preprocessor_config.json"),
        (["config.json", "preprocessor_config.json", "model.safetensors"], SourceInvalid, "vocab.json"),
        ([*SMALL, "tf_model.h5", "flax_model.msgpack"], FamilyUnsupported, "other frameworks"),
    ],
)
def test_a_checkpoint_without_its_parts_is_refused_before_the_download(
    names: list[str], error: type[ModelkitError], said: str
) -> None:
    with pytest.raises(error, match=said):
        wanted(names)


def test_of_many_adapters_the_hindi_one_is_wanted() -> None:
    config = {**CONFIG, "adapter_attn_dim": 16}
    files = [*SMALL, "model.safetensors"]
    adapters = [f"adapter.{language}.safetensors" for language in ("eng", "hin", "tam")]
    assert wanted([*files, *adapters], config) == sorted([*files, "adapter.hin.safetensors"])
    assert wanted([*files, adapters[0]], config) == sorted([*files, adapters[0]])
    assert wanted(files, config) == sorted(files)
    with pytest.raises(FamilyUnsupported, match="2 languages, none of them Hindi"):
        wanted([*files, adapters[0], adapters[2]], config)


def test_without_torch_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("modelkit.families.transformers_ctc.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ExtraMissing, match="convert"):
        FAMILY.convert(tmp_path, tmp_path, Wishes())


def tokens_of(folder: Path, vocabulary: object, size: int, **files: object) -> tuple[tuple[str, ...], int]:
    """Read a tokenizer of these files and return its tokens.txt and the blank's id."""
    for name, content in {"vocab": vocabulary, **files}.items():
        (folder / f"{name}.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    found = read_vocabulary(folder, size)
    found.write(folder / "tokens.txt")
    return read_tokens(folder / "tokens.txt"), found.blank_id


def test_delimiter_blank_and_special_tokens(tmp_path: Path) -> None:
    expected = ("▁", "क", "म", "्", "<UNK>", "<blk>")
    assert tokens_of(tmp_path, HINDI, 6, tokenizer_config=BRACKETS) == (expected, 5)


def test_defaults_without_settings(tmp_path: Path) -> None:
    vocabulary = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, "क": 5}
    assert tokens_of(tmp_path, vocabulary, 6) == (("<blk>", "<s>", "</s>", "<unk>", "▁", "क"), 0)


def test_special_tokens_with_their_properties(tmp_path: Path) -> None:
    properties = {"content": "[PAD]", "lstrip": False}
    settings = {"special_tokens_map": {**BRACKETS, "pad_token": properties}}
    assert tokens_of(tmp_path, HINDI, 6, **settings)[1] == 5


def test_added_tokens_within_the_head_count_and_others_do_not(tmp_path: Path) -> None:
    decoder = {"6": {"content": "<s>"}, "7": {"content": "</s>"}}
    files = {"added_tokens": {"<s>": 6}, "tokenizer_config": {**BRACKETS, "added_tokens_decoder": decoder}}
    assert tokens_of(tmp_path, HINDI, 6, **files)[0][-1] == "<blk>"
    assert tokens_of(tmp_path, HINDI, 8, **files)[0][-2:] == ("<s>", "</s>")


def test_unused_outputs_of_the_head_get_names(tmp_path: Path) -> None:
    assert tokens_of(tmp_path, HINDI, 8, tokenizer_config=BRACKETS)[0][-2:] == ("<unused6>", "<unused7>")


def test_lower_case_and_other_delimiters(tmp_path: Path) -> None:
    settings = {"do_lower_case": True, "word_delimiter_token": " "}
    vocabulary = {" ": 0, "A": 1, "<pad>": 2}
    assert tokens_of(tmp_path, vocabulary, 3, tokenizer_config=settings)[0] == ("▁", "a", "<blk>")
    settings = {"replace_word_delimiter_char": ""}
    vocabulary = {"|": 0, "A": 1, "<pad>": 2}
    assert tokens_of(tmp_path, vocabulary, 3, tokenizer_config=settings)[0] == ("<delimiter>", "A", "<blk>")


@pytest.mark.parametrize(
    ("vocabulary", "said"),
    [
        ({**HINDI, "क म": 6}, "'क म', which cannot stand"),
        ({**HINDI, "<": 6}, "'<', which cannot stand"),
        ({**HINDI, "▁क": 6}, "which cannot stand"),
        ({**HINDI, "": 6}, "which cannot stand"),
        ({**HINDI, "a\nb": 6}, "which cannot stand"),
        ({**HINDI, "ग": 7}, "no token for the id 6"),
        ({**HINDI, "ग": 5}, "same id"),
        ({**HINDI, "ग": -1}, "no token for the id"),
        ({**HINDI, "ग": "6"}, "an id"),
        ({**HINDI, "ग": 8}, "ids up to 8, but the CTC head has 8 outputs"),
        ({"|": 0, "क": 1}, "no output for the blank"),
        ({}, "an id"),
        ([], "JSON object"),
        ({"hin": {"क": 0}, "mar": {"क": 0}}, "only for hin, mar"),
    ],
)
def test_a_vocabulary_that_contradicts_itself_is_refused(
    tmp_path: Path, vocabulary: object, said: str
) -> None:
    with pytest.raises(SourceInvalid, match=said):
        tokens_of(tmp_path, vocabulary, 8, tokenizer_config=BRACKETS)


def test_a_token_twice_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text('{"<pad>": 0, "क": 1, "क": 2}', encoding="utf-8")
    with pytest.raises(SourceInvalid, match="twice"):
        read_vocabulary(tmp_path, 3)
    (tmp_path / "vocab.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(SourceInvalid, match="cannot be read"):
        read_vocabulary(tmp_path, 3)


def test_a_phoneme_tokenizer_is_refused(tmp_path: Path) -> None:
    settings = {**BRACKETS, "tokenizer_class": "Wav2Vec2PhonemeCTCTokenizer"}
    with pytest.raises(FamilyUnsupported, match="Wav2Vec2PhonemeCTCTokenizer"):
        tokens_of(tmp_path, HINDI, 6, tokenizer_config=settings)
