from __future__ import annotations

import gzip
import json
import math
import random
import resource
import stat
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mendel.bus.messages import AnomalyCleared
from mendel.core.topology import Component
from mendel.errors import MessageError, RecordingError
from mendel.scenarios.recording import (
    SCHEMA,
    Annotation,
    Event,
    Fault,
    Header,
    Label,
    Record,
    Recording,
    RecordingWriter,
    Row,
    WriterConfig,
)
from mendel.scenarios.recording.pieces import LINE_BYTES_MAX

KEPT_FOR_EVER = Path(__file__).parent / "recordings"
HEADER = Header(
    schema=SCHEMA,
    mendel="0.1.0",
    source="a test",
    components=(Component(name="db", kind="database"), Component(name="cart", depends_on=("db",))),
    start_s=10.0,
    start_utc=1_700_000_000.0,
    seed=7,
    config_sha256="ab" * 32,
)
RECORDS: list[Record] = [
    Row(10.5, "db", {"ok": 1.0, "latency_s": 0.031}, "http"),
    Fault(at_s=11.0, target="db", kind="crash", until_s=60.0, severity=0.5),
    Row(11.5, "db", {"ok": 0.0}, "http", "HTTP 503"),
    Event(11.5, "AnomalyDetected", {"target": "db", "metric": "ok", "value": 0.0}, 7, 3, "monitor"),
    Label(at_s=11.0, until_s=12.5, target="db", name="anomaly", metric="ok"),
    Annotation(at_s=12.0, kind="deploy", target="cart", text="version 2"),
    Row(12.5, "cart", {}),
]


def a_recording(path: Path, records: list[Record] = RECORDS) -> Path:
    with RecordingWriter(path, HEADER) as writer:
        writer.write(records)
    return path


def read(path: Path) -> list[Record]:
    with Recording(path) as recording:
        return list(recording)


def rows(count: int) -> list[Record]:
    rng = random.Random(3)
    return [Row(float(at), "db", {"latency_s": rng.random()}) for at in range(count)]


class TestRoundTrip:
    @pytest.mark.parametrize("name", ["run.jsonl.gz", "run.jsonl", "run"])
    def test_what_was_written_is_read(self, tmp_path: Path, name: str) -> None:
        path = a_recording(tmp_path / name)

        with Recording(path) as recording:
            assert recording.header == HEADER
            assert list(recording) == RECORDS
            assert (recording.records, recording.damaged, recording.damages) == (7, 0, [])

    def test_it_is_json_lines_that_any_program_reads(self, tmp_path: Path) -> None:
        path = a_recording(tmp_path / "run.jsonl.gz")
        lines = gzip.decompress(path.read_bytes()).splitlines()

        assert json.loads(lines[0])["schema"] == SCHEMA
        assert json.loads(lines[1]) == {
            "k": "row",
            "t": 10.5,
            "c": "db",
            "m": {"ok": 1.0, "latency_s": 0.031},
            "p": "http",
        }

    def test_nobody_else_may_read_it(self, tmp_path: Path) -> None:
        mode = a_recording(tmp_path / "run.jsonl.gz").stat().st_mode

        assert stat.S_IMODE(mode) == 0o600

    @given(
        st.lists(
            st.builds(
                Row,
                at_s=st.floats(allow_nan=False, allow_infinity=False),
                target=st.text(),
                metrics=st.dictionaries(
                    st.text(), st.floats(allow_nan=False, allow_infinity=False)
                ),
                probe=st.text(),
                detail=st.text(),
            )
        )
    )
    def test_any_row_comes_back_to_the_last_bit(
        self, tmp_path_factory: pytest.TempPathFactory, written: list[Record]
    ) -> None:
        path = tmp_path_factory.mktemp("any") / "run.jsonl.gz"

        assert read(a_recording(path, written)) == written

    def test_a_value_that_is_no_number_is_left_out_of_its_row(self, tmp_path: Path) -> None:
        written: list[Record] = [
            Row(1.0, "db", {"a": math.nan, "b": 2.0, "c": -math.inf}),
            Row(2.0, "db", {"a": 1.0}, "http", "null and void"),
        ]

        assert read(a_recording(tmp_path / "run.jsonl", written)) == [
            Row(1.0, "db", {"b": 2.0}),
            written[1],
        ]

    def test_what_json_cannot_express_is_counted_and_hinders_nobody(self, tmp_path: Path) -> None:
        odd = Event(1.0, "Odd", {"target": object()})
        with RecordingWriter(tmp_path / "run.jsonl", HEADER) as writer:
            writer.write([RECORDS[0], odd, RECORDS[2]])

        assert (writer.records, writer.refused) == (2, 1)
        assert read(writer.path) == [RECORDS[0], RECORDS[2]]


class TestEvent:
    def test_it_becomes_the_message_again(self) -> None:
        fields = {"target": "db", "metric": "ok", "cleared_s": 3.0, "new_field": 1}

        message = Event(3.0, "AnomalyCleared", fields).message()

        assert message == AnomalyCleared(target="db", metric="ok", cleared_s=3.0)

    @pytest.mark.parametrize(
        ("kind", "said"),
        [("AnomalyClered", "did you mean 'AnomalyCleared'"), ("AnomalyCleared", "cannot be read")],
    )
    def test_one_that_cannot_says_why(self, kind: str, said: str) -> None:
        with pytest.raises(MessageError, match=said):
            Event(3.0, kind, {"target": 5}).message()


class TestCrash:
    def test_what_was_flushed_is_there_before_the_file_is_closed(self, tmp_path: Path) -> None:
        writer = RecordingWriter(tmp_path / "run.jsonl.gz", HEADER)
        writer.write(RECORDS)
        writer.flush()

        with Recording(writer.path) as recording:
            assert list(recording) == RECORDS
            assert "breaks off" in recording.damages[0].reason
        writer.close()

    @pytest.mark.parametrize("name", ["run.jsonl.gz", "run.jsonl"])
    def test_cut_at_any_byte_it_reads_to_the_last_complete_line(
        self, tmp_path: Path, name: str
    ) -> None:
        whole = a_recording(tmp_path / name).read_bytes()
        cut = tmp_path / f"cut.{name}"
        most = without_header = 0
        for length in range(len(whole)):
            cut.write_bytes(whole[:length])
            try:
                recording = Recording(cut)
            except RecordingError:
                without_header = length
                continue
            with recording:
                found = list(recording)
            assert found == RECORDS[: len(found)]
            assert len(found) >= most
            most = len(found)
            # Without its last line end only, or cut between two lines, a text is as good as whole.
            assert recording.damaged == 1 or name == "run.jsonl"
        assert most == len(RECORDS)
        assert without_header < a_recording(tmp_path / f"empty.{name}", []).stat().st_size

    def test_a_text_without_its_last_line_end_lacks_nothing(self, tmp_path: Path) -> None:
        path = a_recording(tmp_path / "run.jsonl")
        path.write_bytes(path.read_bytes()[:-1])

        with Recording(path) as recording:
            assert (list(recording), recording.damaged) == (RECORDS, 0)

    def test_a_line_that_breaks_off_is_named(self, tmp_path: Path) -> None:
        path = a_recording(tmp_path / "run.jsonl")
        path.write_bytes(path.read_bytes()[:-5])

        with Recording(path) as recording:
            assert list(recording) == RECORDS[:-1]
            assert [str(each) for each in recording.damages] == [
                "line 8, after 6 records: the line breaks off"
            ]


class TestGarbled:
    def test_a_line_that_is_no_record_costs_itself_only(self, tmp_path: Path) -> None:
        path = a_recording(tmp_path / "run.jsonl")
        lines = path.read_bytes().splitlines(keepends=True)
        lines[2:2] = [b'{"k":"row","t":1}\n', b"\xff\xfe\x00\n", b"\n", b'{"k":"later"}\n']
        path.write_bytes(b"".join(lines))

        with Recording(path) as recording:
            assert list(recording) == RECORDS
            assert [(each.line, each.lines, each.records) for each in recording.damages] == [
                (3, 2, 1),
                (6, 1, 1),
            ]
            assert str(recording.damages[0]).startswith("lines 3 to 4, after 1 records: no record")

    def test_a_damaged_member_costs_the_rest_of_itself_only(self, tmp_path: Path) -> None:
        written = rows(60_000)  # Three members.
        path = a_recording(tmp_path / "run.jsonl.gz", written)
        data = bytearray(path.read_bytes())
        middle = data.index(b"\x1f\x8b\x08\x00\x00\x00\x00\x00", 1) // 2
        data[middle : middle + 40] = bytes(40)
        path.write_bytes(data)

        with Recording(path) as recording:
            found = list(recording)

        places = [each.byte for each in recording.damages if each.byte]
        assert len(places) == 1
        assert middle <= places[0] < 2 * middle
        assert len(found) > 30_000
        assert found[-20_000:] == written[-20_000:]

    def test_what_follows_a_recording_that_broke_off_is_found(self, tmp_path: Path) -> None:
        whole = a_recording(tmp_path / "run.jsonl.gz").read_bytes()
        joined = tmp_path / "joined.jsonl.gz"
        for length in range(len(whole) - 20, len(whole)):
            joined.write_bytes(whole[:length] + whole)
            with Recording(joined) as recording:
                found = list(recording)

            assert found[-len(RECORDS) :] == RECORDS
            assert recording.damaged >= 1

    def test_a_damaged_start_of_a_member_at_the_end_of_a_piece_is_passed_over_once(
        self, tmp_path: Path
    ) -> None:
        path = a_recording(tmp_path / "run.jsonl.gz")
        broken = path.read_bytes()[:10] + b"\xff" * 65_526  # The first piece ends in the middle.
        path.write_bytes(path.read_bytes() + broken + b"\xff" * 100)

        with Recording(path) as recording:
            assert list(recording) == RECORDS
            assert recording.damaged == 1

    @given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
    def test_one_wrong_bit_anywhere_is_survived(
        self, tmp_path_factory: pytest.TempPathFactory, place: float, bit: int
    ) -> None:
        folder = tmp_path_factory.mktemp("bit")
        data = bytearray(a_recording(folder / "run.jsonl.gz").read_bytes())
        data[int(place * len(data))] ^= 1 << bit
        (folder / "bad.jsonl.gz").write_bytes(data)
        try:
            with Recording(folder / "bad.jsonl.gz") as recording:
                found = list(recording)
        except RecordingError:
            return  # The header is damaged, and that is said.
        assert found == RECORDS or recording.damaged

    def test_zeros_after_the_end_are_no_records(self, tmp_path: Path) -> None:
        path = a_recording(tmp_path / "run.jsonl.gz")
        size = path.stat().st_size
        path.write_bytes(path.read_bytes() + bytes(200_000))

        with Recording(path) as recording:
            assert list(recording) == RECORDS
            assert [each.reason for each in recording.damages] == ["damaged from here to its end"]
            assert recording.damages[0].byte - size in (0, 1)

    def test_a_line_without_end_does_not_fill_the_memory(self, tmp_path: Path) -> None:
        path = a_recording(tmp_path / "run.jsonl")
        lines = path.read_bytes().splitlines(keepends=True)
        endless = b"x" * (2 * LINE_BYTES_MAX) + b"\n"
        path.write_bytes(b"".join([*lines[:3], endless, *lines[3:]]))

        with Recording(path) as recording:
            assert list(recording) == RECORDS
            assert "longer than" in recording.damages[0].reason

    def test_only_so_many_places_are_kept_and_all_are_counted(self, tmp_path: Path) -> None:
        path = a_recording(tmp_path / "run.jsonl")
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(lines[0] + b"".join(lines[1:2] + [b"garbage\n"] * 3) * 500)

        with Recording(path) as recording:
            assert sum(1 for _ in recording) == 500
            assert (recording.damaged, len(recording.damages)) == (500, 100)
            assert recording.damages[-1].lines == 3


class TestRefused:
    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "does not begin with the header"),
            (b"[web]\nport = 1\n", "does not begin with the header"),
            (gzip.compress(b"hello\n", mtime=0), "does not begin with the header"),
            (b'{"k":"row","schema":1}\n', "its schema 0 is none"),
            (b'{"k":"header","schema":1,"seed":"x"}\n', "its header cannot be read"),
            (b'{"k":"header","schema":-1}\n', "its schema -1 is none"),
            (
                b'{"k":"header","schema":9,"mendel":"3.0"}\n',
                f"written by mendel 3.0 in schema 9; this one reads up to {SCHEMA}",
            ),
        ],
    )
    def test_what_is_no_recording_of_today(self, tmp_path: Path, content: bytes, said: str) -> None:
        path = tmp_path / "some.file"
        path.write_bytes(content)

        with pytest.raises(RecordingError, match=said) as refused:
            Recording(path)

        assert refused.value.path == str(path)

    def test_what_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(RecordingError, match="no such file"):
            Recording(tmp_path / "gone")


class TestOldVersions:
    def test_the_first_one_reads_for_ever(self) -> None:
        with Recording(KEPT_FOR_EVER / "v1.jsonl.gz") as recording:
            assert list(recording) == RECORDS
            assert recording.header == HEADER
            assert recording.damages == []

    def test_lines_are_upgraded_step_by_step(self, tmp_path: Path) -> None:
        path = tmp_path / "v0.jsonl"
        path.write_text(
            '{"k":"header","schema":0}\n{"k":"row","at":1,"c":"db","m":{}}\n{"k":"row"}\n[]\n'
        )

        def upgrade(line: dict[str, object]) -> dict[str, object]:
            if line["k"] == "header":
                return {**line, "source": "long ago"}
            return {**line, "t": line["at"]}

        with Recording(path, upgrades={0: upgrade}) as recording:
            assert recording.header.source == "long ago"
            assert list(recording) == [Row(1.0, "db", {})]
            assert [(each.line, each.lines) for each in recording.damages] == [(3, 2)]


class TestBounds:
    def a_writer(self, folder: Path, files_max: int) -> RecordingWriter:
        config = WriterConfig(file_bytes_max=1_000, files_max=files_max)
        return RecordingWriter(folder / "run.jsonl", HEADER, config)

    def test_a_full_file_is_set_aside_and_the_oldest_removed(self, tmp_path: Path) -> None:
        written = rows(100)
        with self.a_writer(tmp_path, files_max=3) as writer:
            for record in written:
                writer.write([record])

        names = sorted(path.name for path in tmp_path.iterdir())
        assert len(names) == 3
        assert names[-1] == "run.jsonl"
        numbers = sorted(int(name.split(".")[1]) for name in names[:-1])
        parts = [read(tmp_path / f"run.{number}.jsonl") for number in numbers]
        kept = [*parts[0], *parts[1], *read(tmp_path / "run.jsonl")]
        assert kept == written[-len(kept) :]
        with Recording(tmp_path / f"run.{numbers[0]}.jsonl") as recording:
            assert recording.header.part == numbers[0]

    def test_no_file_is_much_larger_than_its_bound(self, tmp_path: Path) -> None:
        with self.a_writer(tmp_path, files_max=50) as writer:
            for record in rows(200):
                writer.write([record])

        assert max(path.stat().st_size for path in tmp_path.iterdir()) < 1_200

    def test_an_earlier_recording_is_set_aside(self, tmp_path: Path) -> None:
        a_recording(tmp_path / "run.jsonl.gz")
        a_recording(tmp_path / "run.jsonl.gz", [])

        assert read(tmp_path / "run.1.jsonl.gz") == RECORDS
        assert read(tmp_path / "run.jsonl.gz") == []

    def test_anything_else_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "mendel.toml").write_text("[runtime]\n")

        with pytest.raises(RecordingError, match="is no recording"):
            RecordingWriter(tmp_path / "mendel.toml", HEADER)

        assert (tmp_path / "mendel.toml").read_text() == "[runtime]\n"

    def test_a_folder_that_is_missing_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(RecordingError, match="no such file") as refused:
            RecordingWriter(tmp_path / "no" / "run", HEADER)

        assert refused.value.exit_code == 4

    def test_a_full_disk_is_said(self, tmp_path: Path) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        writer = RecordingWriter(tmp_path / "run.jsonl", HEADER)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))
            with pytest.raises(RecordingError, match="cannot be written: file too large"):
                writer.write(rows(100))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        writer.close()

        assert len(read(writer.path)) > 20

    def test_a_device_that_never_ends_is_refused(self) -> None:
        with pytest.raises(RecordingError, match="does not begin with the header"):
            Recording("/dev/zero")

    def test_memory_is_bounded_while_reading(self, tmp_path: Path) -> None:
        path = a_recording(tmp_path / "run.jsonl.gz", rows(100_000))
        tracemalloc.start()
        try:
            with Recording(path) as recording:
                count = sum(len(batch) for batch in recording.batches())
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert count == 100_000
        assert peak_bytes < 10_000_000
