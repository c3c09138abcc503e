import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.segments import Chunk, EnergySegmenter
from tests.speech.sounds import FRAME, RATE, Samples, silence

MAX_SECONDS = 4.0


def noise(seconds: float, level_db: float, seed: int = 0) -> Samples:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=round(seconds * RATE)) * 10 ** (level_db / 20)).astype(np.float32)


def segment(signal: Samples, cuts: list[int] | None = None, max_seconds: float = MAX_SECONDS) -> list[Chunk]:
    """Segment a signal block by block, checking that `settled` never decreases."""
    segmenter = EnergySegmenter(RATE, max_seconds, align_samples=FRAME)
    chunks, settled = [], 0
    for block in np.split(signal, sorted(cuts or [])):
        found = segmenter.push(block)
        assert all(chunk.end_sample > settled for chunk in found)
        assert settled <= segmenter.settled
        settled = segmenter.settled
        chunks += found
    return chunks + segmenter.flush()


def spans(chunks: list[Chunk]) -> list[tuple[float, float]]:
    return [(c.start_sample / RATE, (c.start_sample + len(c.samples)) / RATE) for c in chunks]


parts = st.lists(
    st.tuples(st.floats(0.02, 5.0), st.sampled_from([-200.0, -75.0, -60.0, -40.0, -25.0, -10.0])), max_size=8
)


@settings(max_examples=80, deadline=None)
@given(parts, st.lists(st.floats(0, 1), max_size=12), st.integers(0, 100))
def test_chunks_are_of_the_signal_and_blocks_do_not_matter(
    parts: list[tuple[float, float]], places: list[float], seed: int
) -> None:
    signal = np.concatenate([silence(0), *(noise(s, db, seed + i) for i, (s, db) in enumerate(parts))])
    whole = segment(signal)
    start, end, goes_on = 0, 0, False
    for chunk in whole:
        if chunk.follows:
            assert goes_on
            assert 0 < end - chunk.start_sample <= 1.04 * RATE
            assert (chunk.start_sample - start) % FRAME == 0
        else:
            assert not goes_on
            assert chunk.start_sample >= end
        assert 0 < len(chunk.samples) <= MAX_SECONDS * RATE
        start, goes_on = chunk.start_sample, chunk.goes_on
        end = chunk.start_sample + len(chunk.samples)
        np.testing.assert_array_equal(chunk.samples, signal[chunk.start_sample : end])
    assert end <= len(signal)
    assert not goes_on

    in_blocks = segment(signal, [int(place * len(signal)) for place in places])
    assert spans(in_blocks) == spans(whole)
    for one, other in zip(in_blocks, whole, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)


@settings(max_examples=60, deadline=None)
@given(parts, st.floats(0.05, 3.0), st.integers(0, 100))
def test_the_loudest_part_is_never_lost(parts: list[tuple[float, float]], seconds: float, seed: int) -> None:
    before = np.concatenate([silence(0.5), *(noise(s, db, seed + i) for i, (s, db) in enumerate(parts))])
    loud = noise(seconds, -8.0, seed)
    signal = np.concatenate([before, loud, noise(1.0, -60.0)])
    first, last = len(before) + RATE // 50, len(before) + len(loud) - RATE // 50
    covered = np.zeros(len(signal), bool)
    for chunk in segment(signal):
        covered[chunk.start_sample : chunk.start_sample + len(chunk.samples)] = True
    assert covered[first:last].all()


@pytest.mark.parametrize(
    "signal",
    [
        silence(0),
        silence(0.003),
        silence(3),
        silence(30),
        np.full(5 * RATE, 0.2, np.float32),
        noise(5, -95.0),
    ],
    ids=["nothing", "short", "seconds", "long", "offset", "dither"],
)
def test_silence_gives_nothing(signal: Samples) -> None:
    assert segment(signal) == []


def test_a_short_recording_is_one_chunk_of_its_speech_with_edges() -> None:
    signal = np.concatenate([silence(1), noise(0.6, -20), silence(1.2), noise(0.3, -35), silence(0.6)])
    (span,) = spans(segment(signal))
    assert span == pytest.approx((0.75, 3.35), abs=0.011)


def test_a_long_recording_is_cut_at_its_pauses() -> None:
    words = [noise(1.5, -20, seed) for seed in range(6)]
    signal = np.concatenate([part for word in words for part in (word, noise(1.5, -60))])
    found = spans(segment(signal))
    starts = [0.0] + [3.0 * i - 0.25 for i in range(1, 6)]
    assert [span[0] for span in found[-4:]] == pytest.approx(starts[-4:], abs=0.05)
    assert [span[1] for span in found[-4:]] == pytest.approx([3.0 * i + 1.75 for i in range(2, 6)], abs=0.05)


def test_short_pauses_do_not_cut() -> None:
    signal = np.concatenate([silence(6), noise(0.8, -20), silence(0.5), noise(0.8, -20), silence(6)])
    assert spans(segment(signal)) == [pytest.approx((5.75, 8.35), abs=0.011)]


def test_without_a_pause_windows_overlap_where_it_is_quietest() -> None:
    signal = np.concatenate([noise(3.0, -20), noise(0.2, -35), noise(6.0, -20)])
    chunks = segment(signal)
    found = spans(chunks)
    assert found[1][0] < 3.0 < 3.2 < found[0][1]
    assert sum(found[1][:1] + found[0][1:]) / 2 == pytest.approx(3.1, abs=0.08)
    assert [chunk.goes_on for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    assert [chunk.follows for chunk in chunks] == [False] + [True] * (len(chunks) - 1)
    assert (found[0][0], found[-1][1]) == (0.0, 9.2)


def test_a_short_pause_is_cut_in_where_there_is_no_longer_one() -> None:
    parts = [noise(2.2, -20), silence(0.35), noise(0.6, -20), silence(0.5), noise(6.0, -20)]
    chunks = segment(np.concatenate(parts))
    assert spans(chunks)[0] == (0.0, pytest.approx(3.4, abs=0.011))
    assert spans(chunks)[1][0] == spans(chunks)[0][1]
    assert not chunks[0].goes_on
    assert not chunks[1].follows


def test_adapts_to_noise_that_grows() -> None:
    quiet = [noise(4, -70), noise(1, -30), noise(10, -70)]
    loud = [noise(10, -45), noise(1, -5), noise(5, -45)]
    found = spans(segment(np.concatenate(quiet + loud)))
    assert any(start < 4.0 and end > 5.0 for start, end in found)
    assert any(start < 25.0 and end > 26.0 for start, end in found)
    assert all(end - start < 2.0 for start, end in found if start < 6 or start > 24)


def sentences(level_db: float, floor_db: float) -> Samples:
    """Six sentences with pauses in noise, of 18 seconds."""
    parts = [part for seed in range(6) for part in (noise(1.5, level_db, seed), silence(1.5))]
    signal = np.concatenate(parts)
    return signal + noise(len(signal) / RATE, floor_db, 9)


@pytest.mark.parametrize("quieter", [-20.0, -40.0])
def test_the_level_of_a_recording_does_not_matter(quieter: float) -> None:
    signal = sentences(-20.0, -55.0)
    found = spans(segment(signal * np.float32(10 ** (quieter / 20))))
    assert found == spans(segment(signal))
    assert len(found) > 4


def test_a_quiet_16_bit_recording_keeps_its_words() -> None:
    """Its loudest samples are some 30 steps of the converter, its pauses are dithered."""
    dice = np.random.default_rng(3)
    signal = sentences(-70.0, -140.0) * 2**15
    dither = dice.uniform(-0.5, 0.5, len(signal)) + dice.uniform(-0.5, 0.5, len(signal))
    quantised = (np.round(signal + dither) / 2**15).astype(np.float32)
    assert spans(segment(quantised)) == spans(segment(sentences(-20.0, -60.0)))
    assert segment(np.round(dither).astype(np.float32) / 2**15) == []


def covered(chunks: list[Chunk], samples: int) -> npt.NDArray[np.bool_]:
    inside = np.zeros(samples, bool)
    for chunk in chunks:
        inside[chunk.start_sample : chunk.end_sample] = True
    return inside


def test_a_far_speaker_beside_a_near_one_is_kept() -> None:
    pause = silence(0.6)
    parts = [part for seed in range(4) for part in (noise(2, -15, seed), pause, noise(2, -45, seed), pause)]
    signal = np.concatenate([silence(1.0), *parts])
    assert covered(segment(signal + noise(len(signal) / RATE, -70)), len(signal))[RATE:-RATE].all()


def test_a_click_does_not_hide_quiet_speech() -> None:
    signal = sentences(-60.0, -92.0)
    clicked = signal.copy()
    clicked[2 * RATE : 2 * RATE + 400] = 0.9
    speech = covered(segment(signal), len(signal))
    assert covered(segment(clicked), len(signal))[speech].all()


def test_common_voice_clips_are_whole(clips: list[object]) -> None:
    from speech.audio import open_audio

    for clip in clips:
        with open_audio(str(clip), RATE) as audio:
            signal = np.concatenate(list(audio), axis=1)[0]
        (chunk,) = segment(signal, max_seconds=16.0)
        energy = float(np.square(chunk.samples).sum() / np.square(signal).sum())
        assert energy > 0.999


def test_memory_is_bounded_however_small_the_blocks() -> None:
    segmenter = EnergySegmenter(RATE, MAX_SECONDS)
    block = noise(0.01, -20)
    for _ in range(6000):
        segmenter.push(block)
    held = segmenter._samples._buffer.nbytes + segmenter._levels._buffer.nbytes
    assert held < 4 * 4 * RATE * (MAX_SECONDS + 12)


def test_long_speech_is_cut_at_its_pauses_before_it_must_be() -> None:
    parts = [part for seed in range(12) for part in (noise(2.6, -20, seed), silence(0.4))]
    segmenter = EnergySegmenter(RATE, 16.0, prefer_seconds=8.0)
    chunks = segmenter.push(np.concatenate(parts)) + segmenter.flush()
    assert not any(chunk.goes_on for chunk in chunks)
    assert [len(chunk.samples) / RATE for chunk in chunks[:-1]] == [pytest.approx(5.8, abs=0.02)] + [
        pytest.approx(6.0, abs=0.02)
    ] * (len(chunks) - 2)
