"""Names in an archive of results: safe everywhere, and no two alike."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.result_names import ResultNames


@pytest.mark.parametrize(
    ("folder", "file_name", "name"),
    [
        ("", "a.wav", "a"),
        ("मई/1998", "समाचार.wav", "मई/1998/समाचार"),
        ("", "a.b.wav", "a.b"),
        ("", "no extension", "no extension"),
        ("", ".wav", ".wav"),
        ("x.", "a .wav", "x/a"),
        ("..", "../a.wav", "_/.._a"),
        ("", 'a<b>:"|?*\\.wav', "a_b_______"),
        ("con", "NUL.wav", "_con/_NUL"),
        ("", "com1.part.wav", "_com1.part"),
        ("", "console.wav", "console"),
        ("", "....wav", "_"),
        ("", "a\x00\x1f.wav", "a__"),
    ],
)
def test_names(folder: str, file_name: str, name: str) -> None:
    assert ResultNames().name_of(folder, file_name) == name


def test_names_that_a_file_system_takes_for_one_get_numbers() -> None:
    names = ResultNames(reserved=["errors"])
    made = [names.name_of("x", name) for name in ("a.wav", "a.mp3", "A.wav", "a (2).wav")]
    assert made == ["x/a", "x/a (2)", "x/A (3)", "x/a (2) (2)"]
    assert names.name_of("", "errors.wav") == "errors (2)"
    composed, decomposed = (unicodedata.normalize(form, "क़") for form in ("NFC", "NFD"))
    assert names.name_of("", f"{composed}.wav") != names.name_of("", f"{decomposed}.wav")


@given(st.lists(st.tuples(st.text(max_size=300), st.text(min_size=1, max_size=300)), max_size=8))
def test_no_name_leads_out_or_is_too_long(recordings: list[tuple[str, str]]) -> None:
    names = ResultNames()
    made = [names.name_of(*recording) for recording in recordings]
    assert len({name.casefold() for name in made}) == len(made)
    for name in made:
        for component in name.split("/"):
            assert component.strip(". ")
            assert len(component.encode()) <= 255 - len(".json")
            assert not set(component) & set('<>:"\\|?*\0\n')
            assert component == component.rstrip(". ")
