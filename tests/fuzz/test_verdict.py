"""The harness finds what it is there to find."""

from tests.fuzz.mutations import MUTATIONS, Case, cases
from tests.fuzz.pool import Ended
from tests.fuzz.seeds import Seed
from tests.fuzz.verdict import of_any, of_case

SEED = Seed("wav", bytes(range(256)) * 40)
ORIGINAL = Ended(None, "", 2.0, "नमस्ते", 0.1, ())
ORIGINALS = {"wav": ORIGINAL}


def case(mutation: str) -> Case:
    return Case(0, SEED, mutation, b"content")


def failed(code: str, *trail: str, message: str = "It is damaged.") -> Ended:
    return Ended(code, message, None, "", 0.1, trail or (code,))


def test_coded_failures_and_results_are_fine() -> None:
    assert not of_any("a", b"", ORIGINAL)
    assert not of_any("a", b"", failed("audio_unreadable"))
    assert not of_case(case("cut"), failed("audio_too_long"), ORIGINALS)
    assert not of_case(case("cut"), ORIGINAL, ORIGINALS)


def test_the_machines_faults_are_found() -> None:
    for code in (
        "attempts_exhausted",
        "worker_error",
        "memory_exhausted",
        "attempt_timed_out",
        "lease_expired",
    ):
        assert of_any("a", b"", failed("attempts_exhausted", code))
    assert of_any("a", b"", Ended(None, "", 2.0, "", 0.1, ("lease_expired",)))
    assert of_any("a", b"", failed("audio_unreadable", message="damaged"))


def test_lost_words_and_invented_audio_are_found() -> None:
    assert of_case(case("as it is"), failed("audio_unreadable"), ORIGINALS)
    assert of_case(case("tag"), Ended(None, "", 2.0, "नमन", 0.1, ()), ORIGINALS)
    assert of_case(case("cut"), Ended(None, "", 2.5, "नमस्ते", 0.1, ()), ORIGINALS)


def test_files_follow_from_their_number_alone() -> None:
    seeds = [SEED, Seed("mp3", b"ID3" + bytes(5000), tagged=True)]
    one, two, other = cases(seeds, 60, 1), cases(seeds, 60, 1), cases(seeds, 60, 2)
    assert one == two != other
    assert {found.mutation for found in one} == {
        name for name, mutation in MUTATIONS.items() if any(mutation.applies(seed) for seed in seeds)
    }
