from pathlib import Path

import pytest
from mendel.errors import EnvironmentProblem
from mendel.runtime.specs import Secret
from mendel.runtime.world import resolve
from mendel.runtime.world.secrets import SECRET_BYTES, resolve_all


def test_plain_text_is_itself() -> None:
    assert resolve("as it is") == "as it is"


def test_a_variable_is_read_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = Secret(env="TOKEN_OF_TEST")
    monkeypatch.setenv("TOKEN_OF_TEST", "first")
    first = resolve(secret)
    monkeypatch.setenv("TOKEN_OF_TEST", "second")

    assert (first, resolve(secret)) == ("first", "second")


@pytest.mark.parametrize(
    ("content", "value"),
    [(b"key\n", "key"), (b"key\r\n", "key"), (b"two\nlines\n", "two\nlines"), (b"", "")],
)
def test_the_final_line_end_of_a_file_is_not_part_of_it(
    tmp_path: Path, content: bytes, value: str
) -> None:
    (tmp_path / "secret").write_bytes(content)

    assert resolve(Secret(file="secret"), tmp_path) == value
    assert resolve(Secret(file=str(tmp_path / "secret"))) == value


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"x" * (SECRET_BYTES + 1), f"has more than {SECRET_BYTES} bytes"),
        (b"pa55word\xff", "is not UTF-8 text"),
    ],
)
def test_a_file_that_holds_no_secret_is_named_and_its_content_is_not(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)

    with pytest.raises(EnvironmentProblem, match=words) as caught:
        resolve(Secret(file="secret"), tmp_path)

    assert str(tmp_path / "secret") in str(caught.value)
    assert "pa55word" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_of_several_the_missing_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOKEN_OF_TEST", raising=False)

    with pytest.raises(EnvironmentProblem, match="'X-Key': environment variable 'TOKEN_OF_TEST'"):
        resolve_all({"Accept": "text/plain", "X-Key": Secret(env="TOKEN_OF_TEST")})
