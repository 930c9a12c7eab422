from __future__ import annotations

from pathlib import Path

import pytest
from mendel.documents.files import FILE_BYTES_MAX, refuse_all, text_of
from mendel.errors import ConfigError, Problem


def refused(path: Path, usual_name: str = "") -> str:
    with pytest.raises(ConfigError) as error:
        text_of(path, noun="story", usual_name=usual_name, start="Once upon a time")
    [problem] = error.value.problems
    assert problem.code == "MD150"
    assert problem.source == str(path)
    return f"{problem.line}: {problem.message}; {problem.suggestion}"


def test_a_text_is_read_without_its_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfOnce")

    assert text_of(tmp_path / "a", noun="story", start="Once") == "Once"


def test_each_reason_has_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "latin").write_bytes(b"one\ncaf\xe9\n")

    head = "0: cannot read the story: "
    assert refused(tmp_path / "gone") == head + "no such file; give the path of a story file"
    assert refused(tmp_path) == head + "it is a folder; "
    assert refused(tmp_path, "a.toml").endswith(f"did you mean `{tmp_path}/a.toml`?")
    assert refused(tmp_path / "empty" / "x") == head + "not a directory; "
    assert refused(tmp_path / "empty") == head + "it is empty; start with Once upon a time"
    assert refused(tmp_path / "latin").startswith("2: cannot read the story: byte 0xe9 is not")


def test_a_device_that_never_ends_is_refused() -> None:
    assert f"larger than {FILE_BYTES_MAX:,} bytes" in refused(Path("/dev/zero"))


def test_problems_come_in_the_order_of_the_file_and_others_after() -> None:
    problems = [
        Problem("MD1", "", source="--set", line=1),
        Problem("MD2", "", source="a.toml", line=9),
        Problem("MD3", "", source="a.toml", line=2),
    ]

    with pytest.raises(ConfigError, match=r"a\.toml: 3 errors") as error:
        refuse_all("a.toml", problems)

    assert [each.code for each in error.value.problems] == ["MD3", "MD2", "MD1"]
