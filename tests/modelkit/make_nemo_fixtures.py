"""Make the NeMo checkpoints of the tests, and what NeMo itself computes with them.

One-off, because NeMo is far too heavy for the tests: install `nemo_toolkit[asr]` (3.0 was used) and
`sentencepiece` in an environment of its own and run `python -m tests.modelkit.make_nemo_fixtures`. It writes
`nemo_fixtures/NAME.nemo` (tiny models of the true architectures with random weights) and `NAME.npz`.

An .npz has `log_probs_I` and `text_I` (greedy) for waveform I of tests.modelkit.nemo_waveforms.
"""

import gzip
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import torch
from nemo.collections.asr.models import (
    EncDecCTCModel,
    EncDecCTCModelBPE,
    EncDecHybridRNNTCTCBPEModel,
    EncDecRNNTBPEModel,
)
from omegaconf import DictConfig

from tests.modelkit.nemo_waveforms import LENGTHS, waveform

FOLDER = Path(__file__).parent / "nemo_fixtures"
HINDI = "नमस्ते आप कैसे हैं मैं ठीक हूँ धन्यवाद यह एक परीक्षा है बारिश हो रही है पुस्तकालय में बगीचा"
MARATHI = "नमस्कार तुम्ही कसे आहात मी बरा आहे धन्यवाद ही एक चाचणी आहे पाऊस पडत आहे"
TAMIL = "வணக்கம் நீங்கள் எப்படி நான் நன்றாக நன்றி மழை"
LABELS = [" ", "'", *"abcdefghijklmnopqrstuvwxyz"]


def tokenizer(folder: Path, words: str, size: int, kind: str = "bpe") -> dict[str, str]:
    """Train SentencePiece on a few words and return the tokenizer's section of a configuration."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    sentences = [" ".join(random.choice(words.split(), 5)) for _ in range(300)]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=size,
        model_type=kind,
        normalization_rule_name="identity",  # the default rule takes 240 KB
        character_coverage=1.0,
        bos_id=-1,
        eos_id=-1,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    (folder / "vocab.txt").write_text(
        "\n".join(pieces.id_to_piece(index) for index in range(1, pieces.get_piece_size())), encoding="utf-8"
    )
    return {"dir": str(folder), "type": "bpe"}


def encoder(**changes: Any) -> dict[str, Any]:
    return {
        "_target_": "nemo.collections.asr.modules.ConformerEncoder",
        "feat_in": 80,
        "feat_out": -1,
        "n_layers": 2,
        "d_model": 16,
        "subsampling": "striding",
        "subsampling_factor": 4,
        "subsampling_conv_channels": 8,
        "ff_expansion_factor": 2,
        "self_attention_model": "rel_pos",
        "n_heads": 4,
        "att_context_size": [-1, -1],
        "xscaling": True,
        "untie_biases": True,
        "pos_emb_max_len": 500,
        "conv_kernel_size": 7,
        "conv_norm_type": "batch_norm",
    } | changes


def fast(**changes: Any) -> dict[str, Any]:
    return (
        encoder(
            subsampling="dw_striding",
            subsampling_factor=8,
            causal_downsampling=False,
            att_context_size=[[-1, -1]],
            att_context_style="regular",
            xscaling=False,
            conv_context_size=None,
            use_bias=False,
        )
        | changes
    )


def configuration(encoder: dict[str, Any], **sections: Any) -> DictConfig:
    return DictConfig(
        {
            "preprocessor": {
                "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
                "sample_rate": 16_000,
                "normalize": "per_feature",
                "window_size": 0.025,
                "window_stride": 0.01,
                "window": "hann",
                "features": encoder["feat_in"],
                "n_fft": 512,
                "frame_splicing": 1,
                "dither": 1e-5,
                "pad_to": 0,
            },
            "encoder": encoder,
            "train_ds": {"manifest_filepath": None, "max_duration": 20.0, "batch_size": 1, "shuffle": True},
            "sample_rate": 16_000,
        }
        | sections
    )


def head(width: int = 16) -> dict[str, Any]:
    return {
        "_target_": "nemo.collections.asr.modules.ConvASRDecoder",
        "feat_in": width,
        "num_classes": -1,
        "vocabulary": [],
    }


def transducer() -> dict[str, Any]:
    return {
        "model_defaults": {"enc_hidden": 16, "pred_hidden": 8, "joint_hidden": 8},
        "decoder": {
            "_target_": "nemo.collections.asr.modules.RNNTDecoder",
            "normalization_mode": None,
            "random_state_sampling": False,
            "blank_as_pad": True,
            "prednet": {"pred_hidden": 8, "pred_rnn_layers": 1, "t_max": None, "dropout": 0.0},
        },
        "joint": {
            "_target_": "nemo.collections.asr.modules.RNNTJoint",
            "log_softmax": None,
            "preserve_memory": False,
            "fuse_loss_wer": False,
            "jointnet": {"joint_hidden": 8, "activation": "relu", "dropout": 0.0},
        },
        "decoding": {"strategy": "greedy_batch", "greedy": {"max_symbols": 5}},
        "loss": {"loss_name": "default"},
    }


def shake(model: torch.nn.Module) -> None:
    """Give everything that starts as zeros or ones a value, so that forgetting it shows; sharpen the head."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if not value.is_floating_point() or name.startswith("preprocessor"):
                continue
            noise = torch.randn(value.shape, generator=generator)
            if name.endswith("running_var"):
                value.copy_(0.5 + noise.abs())
            elif value.unique().numel() == 1:
                value.add_(0.3 * noise)
            elif "decoder_layers" in name and value.ndim == 3:
                value.copy_(1.5 * noise)


@torch.no_grad()
def run(model: Any, waveforms: list[np.ndarray], rows: list[int] | None = None) -> list[np.ndarray]:
    """NeMo's log-probabilities. `rows` of the head compete alone, as AI4Bharat's fork of NeMo masks them."""
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    batch = torch.zeros(len(waveforms), int(lengths.max()))
    for row, samples in zip(batch, waveforms, strict=True):
        row[: len(samples)] = torch.from_numpy(samples.astype(np.float32) / 32_768)
    features, counts = model.preprocessor(input_signal=batch, length=lengths)
    states, counts = model.encoder(audio_signal=features, length=counts)
    decoder = getattr(model, "ctc_decoder", model.decoder)
    if rows is None:
        log_probs = decoder(encoder_output=states)
    else:
        scores = decoder.decoder_layers(states).transpose(1, 2)[:, :, rows]
        log_probs = torch.log_softmax(scores, dim=-1)
    return [row[:count].numpy() for row, count in zip(log_probs, counts.tolist(), strict=True)]


def greedy(log_probs: np.ndarray) -> list[int]:
    best = log_probs.argmax(axis=1)
    blank = log_probs.shape[1] - 1
    return [
        int(token) for last, token in zip([blank, *best], best, strict=False) if token not in (last, blank)
    ]


def save(name: str, model: Any, to_text: Any, rows: list[int] | None = None) -> None:
    shake(model)
    model.eval()
    model.preprocessor.featurizer.dither = 0.0
    path = FOLDER / f"{name}.nemo"
    model.save_to(str(path))
    model = type(model).restore_from(str(path), map_location="cpu").eval()
    model.preprocessor.featurizer.dither = 0.0
    waveforms = [waveform(samples, seed) for seed, samples in enumerate(LENGTHS)]
    found: dict[str, Any] = {}
    for index, samples in enumerate(waveforms):
        log_probs = run(model, [samples], rows)[0]
        found[f"log_probs_{index}"] = log_probs
        found[f"text_{index}"] = to_text(greedy(log_probs))
        print(name, log_probs.shape, found[f"text_{index}"])
    padded = run(model, waveforms, rows)
    worst = max(np.abs(row - found[f"log_probs_{index}"]).max() for index, row in enumerate(padded))
    print(name, "alone and padded differ in NeMo by", worst)
    np.savez_compressed(FOLDER / f"{name}.npz", **found)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        hindi = tokenizer(work / "hi", HINDI, 64)
        torch.manual_seed(0)
        bpe = configuration(encoder(), decoder=head(), tokenizer=hindi)
        model = EncDecCTCModelBPE(cfg=bpe)
        save("conformer_bpe", model, model.tokenizer.ids_to_text)

        characters = configuration(
            encoder(conv_norm_type="layer_norm", untie_biases=False, feat_in=64),
            decoder=head() | {"vocabulary": LABELS, "num_classes": len(LABELS)},
            labels=LABELS,
        )
        model = EncDecCTCModel(cfg=characters)
        save("conformer_char", model, lambda ids: "".join(LABELS[index] for index in ids))

        unigram = tokenizer(work / "unigram", HINDI, 48, "unigram")
        model = EncDecCTCModelBPE(cfg=configuration(fast(), decoder=head(), tokenizer=unigram))
        save("fastconformer", model, model.tokenizer.ids_to_text)

        auxiliary = {"aux_ctc": {"ctc_loss_weight": 0.3, "use_cer": False, "decoder": head()}}
        model = EncDecHybridRNNTCTCBPEModel(
            cfg=configuration(fast(use_bias=True), tokenizer=hindi, **transducer(), **auxiliary)
        )
        save("hybrid", model, model.tokenizer.ids_to_text)

        languages = {
            "hi": hindi,
            "mr": tokenizer(work / "mr", MARATHI, 48),
            "ta": tokenizer(work / "ta", TAMIL, 48),
        }
        several = {"type": "agg", "langs": languages}
        auxiliary["aux_ctc"]["decoder"] = head()
        model = EncDecHybridRNNTCTCBPEModel(
            cfg=configuration(encoder(xscaling=False), tokenizer=several, **transducer(), **auxiliary)
        )
        offsets = model.tokenizer.token_id_offset
        marathi = [*range(offsets["mr"], offsets["ta"]), model.tokenizer.vocab_size]
        save("indic", model, model.tokenizer.tokenizers_dict["mr"].ids_to_text, rows=marathi)

        model = EncDecRNNTBPEModel(cfg=configuration(fast(n_layers=1), tokenizer=hindi, **transducer()))
        model.save_to(str(FOLDER / "transducer.nemo"))
        streaming = fast(n_layers=1, causal_downsampling=True, att_context_size=[[70, 13]])
        streaming |= {"att_context_style": "chunked_limited", "conv_context_size": "causal"}
        EncDecCTCModelBPE(cfg=configuration(streaming, decoder=head(), tokenizer=hindi)).save_to(
            str(FOLDER / "streaming.nemo")
        )
    for path in FOLDER.glob("*.nemo"):
        path.write_bytes(gzip.compress(path.read_bytes(), mtime=0))


if __name__ == "__main__":
    main()
