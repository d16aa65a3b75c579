"""A lake whose object store fails: errors are tried again, then told; what was half done is as if it never was."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from contract.lake_rows import SCHEMA, STREAM, TESTS, offsets, place_of, rows
from headrace.errors import IntegrityError, NotFoundError, StorageError
from headrace.lake.delta import DeltaLake
from servers.faulty import Fault, FaultyS3

PASSING = 2
"""So often a request is repeated here; more by default."""
TRANSIENT = [Fault.ERROR, Fault.SLOW_DOWN, Fault.CUT, Fault.LOST_ANSWER, Fault.LOST_CONNECTION]


@pytest.fixture
def proxy(s3_server, bucket, monkeypatch):
    with FaultyS3(s3_server.url) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy


@pytest.fixture
def lake(bucket, proxy):
    return DeltaLake(f"{bucket}/lake?max_retries={PASSING}")


@pytest.fixture
def table(lake):
    table = lake.table("ratings", SCHEMA)
    table.append(rows(0, 5), partition=STREAM)
    return table


def reopened(lake, bucket, tmp_path, name="fresh"):
    """The table as another machine sees it: no handle, no copies."""
    return DeltaLake(f"{bucket}/lake?max_retries={PASSING}", cache=tmp_path / name).table("ratings", SCHEMA)


@pytest.mark.parametrize("fault", TRANSIENT)
@pytest.mark.parametrize("path", ["_day=", "_delta_log"])
def test_a_passing_failure_of_an_append_is_tried_again_and_counts_once(proxy, lake, table, bucket, tmp_path, fault, path):
    proxy.fail(fault, method="PUT", path=path, times=PASSING)
    done = table.append(rows(5, 5), partition=STREAM, batch_id="b")
    assert (done.rows, done.replayed) == (5, False)
    found = reopened(lake, bucket, tmp_path).snapshot()
    assert (offsets(found), found.count(), found.version) == (list(range(10)), 10, done.version)


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.SLOW_DOWN, Fault.CUT])
def test_a_passing_failure_of_a_read_is_tried_again(proxy, lake, table, bucket, tmp_path, fault):
    fresh = reopened(lake, bucket, tmp_path)
    proxy.fail(fault, method="GET", times=PASSING)
    assert offsets(fresh.snapshot()) == list(range(5))
    proxy.fail(fault, method="GET", path="_day=", times=PASSING)
    assert offsets(reopened(lake, bucket, tmp_path, "other").snapshot()) == list(range(5))


@pytest.mark.parametrize(
    ("fault", "said"),
    [(Fault.ERROR, "answered 500"), (Fault.SLOW_DOWN, "answered 503"), (Fault.CUT, "no answer"), (Fault.DENIED, "s3:PutObject")],
)
@pytest.mark.parametrize("path", ["_day=", "_delta_log"])
def test_a_lasting_failure_of_an_append_is_told_and_nothing_counts(proxy, lake, table, bucket, tmp_path, fault, said, path):
    version = table.snapshot().version
    proxy.fail(fault, method="PUT", path=path)
    with pytest.raises(StorageError, match=said):
        table.append(rows(5, 5), partition=STREAM, batch_id="b")
    assert (table.snapshot().version, table.snapshot().count(), table.holds_batch("b")) == (version, 5, False)
    proxy.heal()
    assert table.append(rows(5, 5), partition=STREAM, batch_id="b").rows == 5
    assert offsets(reopened(lake, bucket, tmp_path).snapshot()) == list(range(10))


def test_a_commit_that_landed_before_all_went_dark_is_not_applied_twice(proxy, lake, table, bucket, tmp_path):
    proxy.fail(Fault.LAST, method="PUT", path="_delta_log")
    with pytest.raises(StorageError, match="answered 500"):
        table.append(rows(5, 5), partition=STREAM, batch_id="b")
    proxy.heal()
    again = table.append(rows(5, 5), partition=STREAM, batch_id="b")
    assert (again.rows, again.replayed) == (0, True)
    assert offsets(reopened(lake, bucket, tmp_path).snapshot()) == list(range(10))


def test_a_failure_while_the_table_is_made_leaves_none(proxy, lake):
    fresh = lake.table("other", SCHEMA)
    proxy.fail(Fault.ERROR, method="PUT")
    with pytest.raises(StorageError, match="answered 500"):
        fresh.append(rows(0, 5), partition=STREAM)
    assert fresh.snapshot().version == -1
    proxy.heal()
    assert fresh.append(rows(0, 5), partition=STREAM).rows == 5


@pytest.mark.parametrize(
    ("method", "path", "permission"),
    [("GET", "list-type", "s3:ListBucket"), ("GET", "_day=", "s3:GetObject"), ("GET", ".json", "s3:GetObject")],
)
def test_a_refused_read_names_the_permission(proxy, lake, table, bucket, tmp_path, method, path, permission):
    proxy.fail(Fault.DENIED, method=method, path=path)
    with pytest.raises(StorageError, match=rf"refused \(403\).*{permission}"):
        offsets(reopened(lake, bucket, tmp_path).snapshot())


def test_a_refused_removal_names_the_permission_and_a_later_one_does_it(proxy, lake, table, bucket, tmp_path):
    table.append(rows(5, 5), partition=STREAM)
    lake.optimize("ratings", lambda *_: None)
    proxy.fail(Fault.DENIED, method="POST")
    proxy.fail(Fault.DENIED, method="DELETE")
    with pytest.raises(StorageError, match="s3:DeleteObject"):
        lake.vacuum("ratings", [], 2**62)
    proxy.heal()
    assert lake.vacuum("ratings", [], 2**62).files == 2
    assert offsets(reopened(lake, bucket, tmp_path).snapshot()) == list(range(10))


def test_a_bucket_that_is_not_there_is_said_so(proxy, tmp_path):
    lake = DeltaLake("s3://nowhere/lake", cache=tmp_path)
    table = lake.table("ratings", SCHEMA)
    for call in (table.snapshot, lake.tables, lambda: table.append(rows(0, 1), partition=STREAM)):
        with pytest.raises(StorageError, match="no such bucket"):
            call()
    with pytest.raises(StorageError, match="no such bucket"):
        lake.write_frame("f", rows(0, 1))
    with pytest.raises(StorageError, match="no such bucket"):
        lake.read_frame("f")


def test_a_bucket_in_another_region_is_said_so(proxy, lake):
    proxy.fail(Fault.ELSEWHERE)
    with pytest.raises(StorageError, match="AWS_REGION"):
        lake.table("ratings", SCHEMA).snapshot()


def test_an_endpoint_that_nobody_answers_at_is_said_so(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageError, match=r"no answer.*Check the endpoint"):
        DeltaLake("s3://one/lake?max_retries=1").table("ratings", SCHEMA).snapshot()
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    with pytest.raises(StorageError, match="AWS_ALLOW_HTTP"):
        DeltaLake("s3://two/lake?max_retries=1").table("ratings", SCHEMA).snapshot()


def test_half_an_object_is_found_and_no_copy_of_it_is_kept(proxy, lake, table, bucket, tmp_path):
    fresh = reopened(lake, bucket, tmp_path)
    proxy.fail(Fault.HALF, method="GET", path="_day=", times=1)
    with pytest.raises(IntegrityError, match="isn't a whole Parquet file"):
        offsets(fresh.snapshot())
    assert list((tmp_path / "fresh").iterdir()) == []
    assert offsets(fresh.snapshot()) == list(range(5))


def test_an_object_that_is_gone_is_named(lake, table, bucket, tmp_path):
    place = place_of(lake)
    place.delete([found.path for found in place.list() if found.path.startswith("_day=")])
    with pytest.raises(IntegrityError, match=r"_day=.*not found.*Restore"):
        offsets(reopened(lake, bucket, tmp_path).snapshot())


def test_half_a_copy_in_the_cache_is_fetched_again(lake, table, bucket, tmp_path):
    fresh = reopened(lake, bucket, tmp_path)
    assert offsets(fresh.snapshot()) == list(range(5))
    (copy,) = (tmp_path / "fresh").iterdir()
    copy.write_bytes(copy.read_bytes()[:100])
    assert offsets(fresh.snapshot()) == list(range(5))


def test_a_frame_is_kept_whole_or_as_it_was(proxy, lake):
    lake.write_frame("f", rows(0, 3))
    for path in (".parquet", "SHA256"):
        proxy.fail(Fault.ERROR, method="PUT", path=path)
        with pytest.raises(StorageError, match="answered 500"):
            lake.write_frame("f", rows(0, 7))
        proxy.heal()
        assert lake.read_frame("f") == rows(0, 3)
    proxy.fail(Fault.HALF, method="GET", path=".parquet", times=1)
    with pytest.raises(IntegrityError, match="SHA-256"):
        lake.read_frame("f")
    proxy.fail(Fault.ERROR, method="GET")
    with pytest.raises(StorageError, match="answered 500"):
        lake.read_frame("f")
    proxy.heal()
    with pytest.raises(NotFoundError, match="did you mean 'f'"):
        lake.read_frame("ff")


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.LOST_CONNECTION, Fault.ERROR])
def test_a_compaction_counts_once_or_not_at_all(proxy, lake, table, bucket, tmp_path, fault):
    for first in range(5, 30, 5):
        table.append(rows(first, 5), partition=STREAM)
    proxy.fail(fault, method="PUT", path="_delta_log", times=1)
    assert lake.optimize("ratings", lambda *_: None).merged == 6
    assert offsets(reopened(lake, bucket, tmp_path).snapshot()) == list(range(30))
    for first in range(30, 45, 5):
        table.append(rows(first, 5), partition=STREAM)
    proxy.fail(Fault.ERROR, method="PUT", path="_delta_log")
    version = table.snapshot().version
    with pytest.raises(StorageError, match="answered 500"):
        lake.optimize("ratings", lambda *_: None)
    proxy.heal()
    found = reopened(lake, bucket, tmp_path).snapshot()
    assert (found.version, offsets(found)) == (version, list(range(45)))


FULL = """
import resource, sys
sys.path.insert(0, sys.argv[2])
from contract.lake_rows import SCHEMA, offsets
from headrace.errors import StorageError
from headrace.lake.delta import DeltaLake
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    offsets(DeltaLake(sys.argv[1]).table("ratings", SCHEMA).snapshot())
except StorageError as error:
    print(error)
"""


def test_a_disk_without_room_for_copies_is_said_so(table, bucket):
    table.append(rows(5, 100_000), partition=STREAM)
    command = [sys.executable, "-c", FULL, f"{bucket}/lake", TESTS]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Free some space where copies are kept" in output


def test_many_machines_that_append_at_once_lose_nothing_and_leave_little(proxy, bucket, tmp_path):
    tables = [reopened(None, bucket, tmp_path, f"machine{number}") for number in range(5)]
    same = rows(0, 20)

    def append(number):
        for first in range(0, 40, 10):
            tables[number].append(rows(first, 10), partition=number)
        return tables[number].append(same, partition=77).rows

    with ThreadPoolExecutor(5) as pool:
        landed = list(pool.map(append, range(5)))
    found = reopened(None, bucket, tmp_path).snapshot()
    assert sorted(landed) == [0, 0, 0, 0, 20]
    assert found.lanes() == {**dict.fromkeys(range(5), 39), 77: 19}
    assert [offsets(found, partition=lane) for lane in range(5)] == [list(range(40))] * 5
    uploads = [request for request in proxy.seen if request.startswith("PUT") and "_day" in request]
    assert len(uploads) <= 25  # a lost race uploads nothing again
