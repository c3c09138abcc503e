"""Runs of a few updates on tones."""

import csv
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import require
from tests.training.conftest import PHONES, TINY, WRITTEN

require("torch")

import torch  # noqa: E402

from training.corpora.store import Store  # noqa: E402
from training.model.checkpoint import Weights, blended, mean, read_weights  # noqa: E402
from training.model.network import ENCODER, Network, NetworkConfig  # noqa: E402
from training.run.curve import draw  # noqa: E402
from training.run.device import chosen_device, half_precision  # noqa: E402
from training.run.heldout import from_store  # noqa: E402
from training.run.schedule import REFIT, TRAIN, done_part, rate_factor  # noqa: E402
from training.run.trainer import HELD_OUT, LOSS, Stopped, Trainer, layers_above, parameter_groups  # noqa: E402

SETTINGS = replace(TRAIN, updates=6, warm_updates=2, batch_seconds=8.0, threads=1, device="cpu", dropout=0.1)
FROZEN = replace(SETTINGS, freeze_encoder=True)


def start(seed: int = 0) -> Weights:
    torch.manual_seed(seed)
    config = NetworkConfig(len(PHONES), len(WRITTEN), **TINY)
    return Weights(config, PHONES, WRITTEN, Network(config).state_dict(), {}, [{"step": "start"}])


def trainer(work: Path, name: str = "run", settings=SETTINGS, report=lambda *_: None) -> Trainer:  # type: ignore[no-untyped-def]
    opened = Store(work / "store")
    return Trainer(work / name, opened, start(), settings, [from_store(opened)], report)


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_a_run_learns_logs_measures_and_ends(store: Path) -> None:
    lines: list[str] = []
    run = trainer(
        store,
        settings=replace(SETTINGS, updates=40, batch_seconds=4.0),
        report=lambda _, line: lines.append(line),
    )
    run.run()
    with (store / "run" / LOSS).open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    assert [int(row["update"]) for row in rows] == [20, 40]
    assert float(rows[1]["spelling_loss"]) < float(rows[0]["spelling_loss"])
    assert any("कम न =>" in line for line in lines)
    draw(store / "run" / LOSS, store / "run" / HELD_OUT, store / "run" / "loss.png")
    assert (store / "run" / "loss.png").read_bytes()[:4] == b"\x89PNG"
    before = run.path.read_bytes()
    again = trainer(store, settings=replace(SETTINGS, updates=40, batch_seconds=4.0))
    again.load()
    again.run()
    assert run.path.read_bytes() == before


@pytest.mark.parametrize("settings", [SETTINGS, FROZEN])
def test_a_resumed_run_ends_at_the_same_weights_as_an_uninterrupted_one(store: Path, settings) -> None:  # type: ignore[no-untyped-def]
    whole = trainer(store, "whole", settings)
    whole.run()
    first = trainer(store, "parts", settings)
    for rows in first.plan.batches():
        first.step(rows)
        if first.update == 3:
            break
    first.save()
    second = trainer(store, "parts", settings)
    second.load()
    second.run()
    assert same(second.network.state_dict(), whole.network.state_dict())
    assert same(second.averaged().weights, whole.averaged().weights)
    assert not same(whole.averaged().weights, start().weights)


def test_a_frozen_encoder_does_not_change_and_all_else_does(store: Path) -> None:
    run = trainer(store, settings=replace(FROZEN, updates=12))
    run.run()
    before, saved = start().weights, read_weights(store / "run")
    for made in (run.network.state_dict(), saved.weights):
        for name, weight in made.items():
            assert torch.equal(weight, before[name]) == name.startswith(ENCODER), name
    assert not any(p.grad is not None for p in run.network.encoder.parameters())
    assert saved.steps[-1]["step"] == "refit"
    assert (saved.phones, saved.characters) == (PHONES, WRITTEN)


def test_the_frozen_encoder_has_no_dropout(store: Path) -> None:
    one, other = (trainer(store, settings=replace(FROZEN, dropout=p, withheld=1.0)) for p in (0.0, 0.9))
    rows = next(one.plan.batches())
    assert torch.equal(one.losses(rows)[0], other.losses(rows)[0])
    assert not torch.equal(one.losses(rows)[1], other.losses(rows)[1])


def test_withheld_states_do_not_reach_the_spelling(store: Path) -> None:
    run = trainer(store, settings=replace(SETTINGS, dropout=0.0, withheld=1.0))
    rows = next(run.plan.batches())
    _, loss = run.losses(rows)
    loss.backward()
    assert not run.network.spelling.states_in.weight.grad.any()
    assert run.network.phone_head.weight.grad.any()


def test_rates_fall_from_layer_to_layer_and_heads_have_their_own() -> None:
    network = start().network()
    settings = replace(SETTINGS, encoder_rate=1.0, rate_decay=0.5, head_rate=7.0)
    rates = {group["rate"] for group in parameter_groups(network, settings)}
    assert rates == {7.0, 1.0, 0.5, 0.5**3}
    names = ("norm.bias", "layers.1.up.bias", "layers.0.up.bias")
    assert [layers_above(f"encoder.{name}", 2) for name in names] == [0, 0, 1]
    assert layers_above("encoder.conv1.weight", 2) == 3
    assert {g["weight_decay"] for g in parameter_groups(network, settings)} == {0.0, settings.weight_decay}


def test_a_changed_rate_holds_for_a_resumed_run(store: Path) -> None:
    first = trainer(store)
    first.save()
    second = trainer(store, settings=replace(SETTINGS, head_rate=0.25))
    second.load()
    assert 0.25 in {group["rate"] for group in second.optimiser.param_groups}


def test_a_run_stops_by_the_clock(store: Path) -> None:
    run = trainer(store, settings=replace(SETTINGS, minutes=1e-6))
    run.run()
    assert run.update == 1


def test_a_signal_keeps_what_was_learnt(store: Path) -> None:
    run = trainer(store, settings=replace(SETTINGS, updates=5000))
    taken = run.step

    def step(rows):  # type: ignore[no-untyped-def]
        if run.update == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return taken(rows)

    run.step = step  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        run.run()
    again = trainer(store)
    again.load()
    assert again.update == run.update == 4
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_non_finite_gradient_changes_nothing(store: Path) -> None:
    run = trainer(store)
    before = {name: weight.clone() for name, weight in run.network.state_dict().items()}
    run.losses = lambda rows: (run.network.phone_head.weight.sum() * float("nan"), None)  # type: ignore[method-assign]
    run.step(next(run.plan.batches()))
    assert same(run.network.state_dict(), before)


def test_the_rate_climbs_stays_and_ends_at_zero_by_updates_or_by_the_clock() -> None:
    settings = replace(SETTINGS, updates=1000, warm_updates=100, steady=0.35)
    factors = [rate_factor(u, done_part(u, 0.0, settings), settings) for u in range(1001)]
    assert factors[0] < factors[50] < factors[100] == factors[350] == 1.0
    assert 0 < factors[999] < 0.01
    assert factors[1000] == 0.0
    timed = replace(settings, minutes=10.0)
    assert done_part(10, 300.0, timed) == 0.5
    assert done_part(900, 300.0, timed) == 0.9
    assert rate_factor(10, done_part(10, 700.0, timed), timed) == 0.0
    assert REFIT.freeze_encoder


def test_a_blend_moves_the_encoder_and_keeps_the_heads() -> None:
    trained, before, heads = start(1), start(2).weights, start(3)
    made = blended(trained, before, 0.25, None)
    mixed = blended(trained, before, 0.25, heads)
    for name, weight in made.weights.items():
        if name.startswith(ENCODER):
            assert torch.allclose(weight, 0.75 * trained.weights[name] + 0.25 * before[name], atol=1e-6)
            assert torch.equal(mixed.weights[name], weight)
        else:
            assert torch.equal(weight, trained.weights[name])
            assert torch.equal(mixed.weights[name], heads.weights[name])
    assert made.steps[-1] == {"step": "blend", "share": 0.25}


def test_a_mean_weighs_its_parts_and_is_read_back(tmp_path: Path) -> None:
    first, second = start(1), start(2)
    made = mean([first, second], [3.0, 1.0])
    made.save(tmp_path / "mean.pt")
    found = read_weights(tmp_path / "mean.pt")
    assert found.steps == [{"step": "start"}, {"step": "mean", "of": 2}]
    for name, weight in found.weights.items():
        assert torch.allclose(weight, 0.75 * first.weights[name] + 0.25 * second.weights[name], atol=1e-6)
    other = replace(second, phones=[*PHONES[:-1], "x"])
    with pytest.raises(ValueError, match="different shapes or symbols"):
        mean([first, other])
    with pytest.raises(FileNotFoundError, match="neither a checkpoint"):
        read_weights(tmp_path / "nothing")


@pytest.mark.parametrize(("name", "present"), [("amx_bf16", True), ("avx512_bf16", False)])
def test_bfloat16_is_for_processors_that_multiply_it(
    monkeypatch: pytest.MonkeyPatch, name: str, present: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {name: present, "avx2": True})
    with half_precision(torch.device("cpu")):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert (product.dtype == torch.bfloat16) is present


def test_the_device_is_a_gpu_only_where_torch_sees_one() -> None:
    seen = torch.cuda.is_available()
    assert chosen_device("auto").type == ("cuda" if seen else "cpu")
    assert chosen_device("cpu").type == "cpu"
    if not seen:
        with pytest.raises(ValueError, match="no GPU"):
            chosen_device("cuda:0")
