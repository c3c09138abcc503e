"""Plans, batches and a run of a few updates on tones."""

import csv
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.conftest import require

require("torch")

import torch  # noqa: E402

from training.batches import (  # noqa: E402
    BatchDataset,
    Plan,
    Symbols,
    collapse,
    text_of,
    with_real_part,
    with_real_share,
)
from training.checkpoint import Checkpoint, averaged_network, blended  # noqa: E402
from training.curve import draw  # noqa: E402
from training.device import chosen_device, half_precision, keep_loading, loaders_for  # noqa: E402
from training.diagnosis import groups_of, losses_of  # noqa: E402
from training.heldout import from_store, measure  # noqa: E402
from training.hours import learning_curve  # noqa: E402
from training.loop import Stopped, train  # noqa: E402
from training.masking import blurred, hidden, warped  # noqa: E402
from training.schedule import Settings, done_part, learning_rate  # noqa: E402
from training.store import Clip, Store  # noqa: E402

SETTINGS = Settings(
    updates=6, warm_updates=2, ramp_updates=2, batch_seconds=8.0, width=16, inner_blocks=1, threads=1,
    held_out_every=3,
)  # fmt: skip


def test_a_plan_follows_from_its_seed_and_never_names_a_held_out_clip(store: Path) -> None:
    clips = Store(store / "store").clips
    plan = Plan(clips, 7, 40, 4, 8.0)
    assert plan.batches == Plan(clips, 7, 40, 4, 8.0).batches
    assert plan.batches != Plan(clips, 8, 40, 4, 8.0).batches
    assert plan.batches[:20] == Plan(clips, 7, 20, 4, 8.0).batches
    used = {i for b in plan.batches for item in b for i in item}
    assert used == {i for i, c in enumerate(clips) if c.split == "train"}
    assert {clips[i].source for b in plan.batches[:4] for item in b for i in item} == {"synthetic"}


def test_a_batch_is_no_longer_than_its_budget(store: Path) -> None:
    clips = Store(store / "store").clips
    for batch in Plan(clips, 7, 40, 4, 8.0).batches:
        longest = max(sum(clips[i].samples for i in item) for item in batch)
        assert len(batch) == 1 or longest * len(batch) <= 8.0 * 16000


def test_joined_clips_have_joined_targets(store: Path) -> None:
    opened = Store(store / "store")
    dataset = BatchDataset(opened, Symbols.load(store / "store"), Plan(opened.clips, 7, 40, 4, 8.0), 7)
    batches = [dataset[update] for update in range(40)]
    assert any(int(n) > 5 for b in batches for n in b.phone_lengths)
    for update, batch in enumerate(batches):
        assert batch.phone_lengths.sum() == len(batch.phones)
        assert batch.character_lengths.sum() == len(batch.characters)
        assert len(batch.spelt) == len(batch.character_lengths)
        again = dataset[update]
        assert torch.equal(batch.waveforms, again.waveforms)


def test_some_clips_are_joined_with_another_voice_but_only_with_one_that_is_taught_alike() -> None:
    kinds = [
        ("synthetic", "hi", "क"),
        ("common-voice", "de", ""),
        ("common-voice", "pa", "क"),
        ("other", "sw", ""),
    ]
    clips = [
        Clip(48_000 * n, 48_000, "train", source, language, "", 1, "k", text)
        for n, (source, language, text) in enumerate(kinds * 100)
    ]
    items = [item for batch in Plan(clips, 7, 60, 0, 60.0).batches for item in batch]
    joined = [[clips[i] for i in item] for item in items if len(item) > 1]
    assert any(len({clip.language for clip in group}) > 1 for group in joined)
    for group in joined:
        assert len({(clip.source == "synthetic", bool(clip.text)) for clip in group}) == 1
        assert sum(clip.samples for clip in group) <= 16 * 16_000


@pytest.mark.parametrize(("name", "present"), [("amx_bf16", True), ("avx512_bf16", False)])
def test_bfloat16_is_for_processors_that_multiply_it(
    monkeypatch: pytest.MonkeyPatch, name: str, present: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {name: present, "avx2": True})
    with half_precision(torch.device("cpu")):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert (product.dtype == torch.bfloat16) is present


def test_the_learning_rate_climbs_stays_and_ends_at_zero() -> None:
    settings = replace(SETTINGS, updates=1000, ramp_updates=100, peak=1.0)
    rates = [learning_rate(u, done_part(u, 0.0, settings), settings) for u in range(1001)]
    assert rates[0] < rates[50] < rates[100] == rates[400] == 1.0
    assert 0 < rates[999] < 0.01
    assert rates[1000] == 0.0


def test_a_run_by_the_clock_ends_in_time() -> None:
    settings = replace(SETTINGS, updates=1000, minutes=10.0)
    assert done_part(10, 300.0, settings) == 0.5
    assert done_part(900, 300.0, settings) == 0.9
    assert learning_rate(10, done_part(10, 700.0, settings), settings) == 0.0


def test_hiding_leaves_most_and_only_sets_to_zero() -> None:
    mel = torch.ones(4, 300, 80)
    made = hidden(mel, torch.tensor([300, 300, 200, 100]), torch.Generator().manual_seed(1))
    assert set(made.unique().tolist()) == {0.0, 1.0}
    assert made.mean() > 0.4


def test_a_warp_of_one_changes_nothing_and_of_two_halves_a_band() -> None:
    mel = torch.arange(80.0).expand(2, 3, 80)
    made = warped(mel, torch.tensor([1.0, 2.0]))
    assert torch.equal(made[0], mel[0])
    assert made[1, 0, 10] == 20.0
    assert made[1, 0, 79] == 79.0


def test_blurring_leaves_some_utterances_as_they_are() -> None:
    logits = torch.zeros(40, 5, 9)
    changed = blurred(logits, torch.ones(40), torch.Generator().manual_seed(1)).abs().sum(dim=(1, 2)) > 0
    assert 5 < int(changed.sum()) < 40


def test_collapsing() -> None:
    assert collapse([0, 1, 1, 0, 1, 2, 2, 0]) == [1, 1, 2]
    assert text_of([1, 0, 1, 2, 1], ["<blk>", "▁", "क"]) == "क"


def test_a_run_learns_logs_and_goes_on_where_it_stopped(store: Path) -> None:
    held_out = from_store(Store(store / "store"))
    assert len(held_out.texts) == 1  # of the two held-out clips one is spelt
    lines: list[str] = []
    report = lambda done, line: lines.append(line)  # noqa: E731
    path = train(store, SETTINGS, [held_out], False, None, report)
    first = Checkpoint.load(path)
    assert first.update == 6
    assert any("=>" in line for line in lines)
    train(store, replace(SETTINGS, updates=9), [], True, None, report)
    second = Checkpoint.load(path)
    assert second.update == 9
    assert second.optimiser["state"][0]["step"] == 9
    with (store / "loss.tsv").open(encoding="utf-8") as handle:
        assert [int(r["update"]) for r in csv.DictReader(handle, delimiter="\t")] == [6, 9]
    found = measure(averaged_network(second), Symbols.load(store / "store"), held_out)
    assert found.cer > 0
    draw(store / "loss.tsv", store / "held-out.tsv", store / "loss.png")
    assert (store / "loss.png").read_bytes()[:4] == b"\x89PNG"


def test_a_diagnosis_tells_corpora_and_splits_apart(store: Path) -> None:
    path = train(store, SETTINGS, [], False, None, lambda *_: None)
    network, symbols = averaged_network(Checkpoint.load(path)), Symbols.load(store / "store")
    found = [losses_of(network, symbols, *group) for group in groups_of(Store(store / "store"), 3)]
    assert [loss.name for loss in found] == [
        "other sw (held-out)", "other sw (train)", "reader-hi hi (held-out)", "reader-hi hi (train)",
        "synthetic hi (train)",
    ]  # fmt: skip
    spelt = [loss.characters.reference_length for loss in found]
    assert spelt == [0, 0, 4, 12, 12]
    assert [loss.phones.reference_length for loss in found] == [5, 15, 5, 15, 15]
    assert len(str(found[0]).split()) < len(str(found[2]).split())


def test_a_run_stops_by_the_clock(store: Path) -> None:
    path = train(store, replace(SETTINGS, minutes=1e-6), [], False, None, lambda *_: None)
    assert Checkpoint.load(path).update == 1


def test_a_signal_keeps_what_was_learnt(store: Path) -> None:
    def stop(done: int, line: str) -> None:
        assert line
        if done == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Stopped):
        train(store, replace(SETTINGS, updates=50), [from_store(Store(store / "store"))], False, None, stop)
    assert 3 <= Checkpoint.load(store / "checkpoint.pt").update < 50
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_loader_process_leaves_signals_to_the_run() -> None:
    previous = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
    keep_loading(0)
    os.kill(os.getpid(), signal.SIGTERM)
    for number, handler in zip((signal.SIGTERM, signal.SIGINT), previous, strict=True):
        signal.signal(number, handler)


def test_the_device_is_a_gpu_only_where_torch_sees_one() -> None:
    seen = torch.cuda.is_available()
    assert chosen_device("auto").type == ("cuda" if seen else "cpu")
    assert chosen_device("cpu").type == "cpu"
    assert loaders_for(torch.device("cpu")) == 1
    assert loaders_for(torch.device("cuda")) >= 1
    if not seen:
        with pytest.raises(ValueError, match="no GPU"):
            chosen_device("cuda:0")


def test_a_batch_moves_whole(store: Path) -> None:
    opened = Store(store / "store")
    dataset = BatchDataset(opened, Symbols.load(store / "store"), Plan(opened.clips, 7, 9, 2, 8.0), 7)
    moved = dataset[5].to(torch.device("meta"))
    assert moved.seed == 5
    tensors = (moved.waveforms, moved.lengths, moved.phones, moved.spelt, moved.characters, moved.warp)
    assert {t.device.type for t in tensors} == {"meta"}


def test_masking_computes_where_its_features_are() -> None:
    mel, frames = torch.ones(2, 30, 80, device="meta"), torch.tensor([30, 20], device="meta")
    assert warped(mel, torch.ones(2, device="meta")).device.type == "meta"
    assert hidden(mel, frames, torch.Generator()).device.type == "meta"
    assert blurred(mel, torch.ones(2, device="meta"), torch.Generator()).device.type == "meta"


def test_a_finished_run_is_left_as_it_is(store: Path) -> None:
    path = train(store, SETTINGS, [], False, None, lambda *_: None)
    before = path.read_bytes()
    train(store, SETTINGS, [], True, None, lambda *_: None)
    train(store, replace(SETTINGS, updates=20, minutes=1e-6), [], True, None, lambda *_: None)
    assert path.read_bytes() == before


def test_a_run_starts_from_given_weights(store: Path) -> None:
    path = train(store, SETTINGS, [], False, None, lambda *_: None)
    weights = Checkpoint.load(path).average
    still = replace(SETTINGS, updates=1, peak=0.0)
    train(store, still, [], False, weights, lambda *_: None)
    for name, weight in Checkpoint.load(path).weights.items():
        assert torch.allclose(weight, weights[name]), name


def test_without_a_store_the_error_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="prepare"):
        train(tmp_path, SETTINGS, [], False, None, lambda *_: None)


def test_synthetic_clips_are_left_out_until_so_much_is_real(store: Path) -> None:
    clips = Store(store / "store").clips
    train = [i for i, c in enumerate(clips) if c.split == "train"]

    def real_share(chosen: list[int]) -> float:
        sizes = [clips[i].samples * clips[i].repeat for i in chosen]
        real = [s for i, s in zip(chosen, sizes, strict=True) if clips[i].source != "synthetic"]
        return sum(real) / sum(sizes)

    kept = with_real_share(clips, train, 0.8, np.random.default_rng(1))
    assert real_share(train) < 0.75 < real_share(kept) < 0.9
    assert [i for i in kept if clips[i].source != "synthetic"] == [
        i for i in train if clips[i].source != "synthetic"
    ]
    assert with_real_share(clips, train, 0.2, np.random.default_rng(1)) == train
    assert all(
        clips[i].source != "synthetic" for i in with_real_share(clips, train, 1.0, np.random.default_rng(1))
    )
    epochs = Plan(clips, 7, 40, 0, 8.0, 0.8).batches
    assert {i for batch in epochs for item in batch for i in item} == set(train)


def test_a_learning_curve_hears_more_and_more(store: Path) -> None:
    opened = Store(store / "store")
    held_out = from_store(opened)
    rows = learning_curve(store, replace(SETTINGS, updates=3), [1.0, 0.5], [held_out], lambda *_: None)
    assert [row["part"] for row in rows] == [0.5, 1.0]
    assert 0 < rows[0]["hours"] < rows[1]["hours"]
    assert (store / "hours" / "hours.png").read_bytes()[:4] == b"\x89PNG"
    assert len((store / "hours" / "hours.tsv").read_text(encoding="utf-8").splitlines()) == 3
    real = [i for i, c in enumerate(opened.clips) if c.source != "synthetic"]
    small, large = (set(with_real_part(opened.clips, real, part, 7)) for part in (0.3, 0.6))
    assert small < large < set(real)


def test_a_blend_is_the_mean_of_its_runs(store: Path, tmp_path: Path) -> None:
    first = Checkpoint.load(train(store, SETTINGS, [], False, None, lambda *_: None))
    second = Checkpoint.load(train(store, replace(SETTINGS, updates=8), [], True, None, lambda *_: None))
    made = blended([first, second])
    made.save(tmp_path / "blend.pt")
    made = Checkpoint.load(tmp_path / "blend.pt")
    assert made.update == 14
    for name, weight in made.average.items():
        assert torch.allclose(weight, (first.average[name] + second.average[name]) / 2, atol=1e-6)
    averaged_network(made)
    other = train(store, replace(SETTINGS, width=32), [], False, None, lambda *_: None)
    with pytest.raises(ValueError, match="same network"):
        blended([first, Checkpoint.load(other)])
