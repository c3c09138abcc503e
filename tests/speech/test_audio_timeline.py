from hypothesis import given
from hypothesis import strategies as st

from speech.audio.timeline import BACK_SECONDS, GAP_SECONDS, LONGEST_GAP_SECONDS, Timeline

RATE = 1000


def test_frames_that_follow_each_other_leave_no_gap() -> None:
    timeline = Timeline(RATE, 5.0)
    for index in range(100):
        assert timeline.gap(5.0 + index * 0.02 + (0.001 if index % 3 else 0.0)) == 0
        timeline.advance(20)
    assert timeline.seconds == 2.0


def test_a_gap_is_filled_to_the_sample() -> None:
    timeline = Timeline(RATE, 0.0)
    assert timeline.gap(0.5) == 500
    timeline.advance(500 + 20)
    assert timeline.gap(0.52) == 0
    assert timeline.gap(None) == 0


def test_small_losses_add_up_until_they_are_filled() -> None:
    timeline, filled = Timeline(RATE, 0.0), 0
    for index in range(100):
        if index % 10 != 9:  # one frame of ten is lost
            gap = timeline.gap(index * 0.02)
            filled += gap
            timeline.advance(gap + 20)
            assert abs(timeline.seconds - (index + 1) * 0.02) <= GAP_SECONDS
    assert filled >= 160


def test_a_clock_that_is_set_anew_leaves_no_gap() -> None:
    for leap in (LONGEST_GAP_SECONDS + 1, -BACK_SECONDS - 1):
        timeline = Timeline(RATE, 0.0)
        timeline.advance(5000)
        assert timeline.gap(5.0 + leap) == 0
        timeline.advance(20)
        assert timeline.gap(5.0 + leap + 0.52) == 500


@given(st.lists(st.tuples(st.one_of(st.none(), st.floats(-1e6, 1e6)), st.integers(1, 5000)), max_size=50))
def test_nothing_is_dropped_and_no_gap_is_negative(frames: list[tuple[float | None, int]]) -> None:
    timeline, total = Timeline(RATE, 0.0), 0
    for time, samples in frames:
        gap = timeline.gap(time)
        assert 0 <= gap <= LONGEST_GAP_SECONDS * RATE
        timeline.advance(gap + samples)
        total += gap + samples
    assert timeline.seconds == total / RATE
