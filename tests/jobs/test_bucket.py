"""Objects: whole, and never over somebody else's."""

from functools import partial

import pytest
from botocore.exceptions import ClientError

from jobs import bucket, services
from jobs.settings import Problem
from tests.unit.faults import fails
from tests.unit.sweeping import Clock

pytestmark = pytest.mark.usefixtures("books_bucket")


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(bucket, "time", clock)
    return clock


def a_refusal(code):
    return ClientError({"Error": {"Code": code}}, "PutObject")


def test_what_is_put_is_there():
    assert bucket.put("a/b.json", b"content")

    assert bucket.get("a/b.json") == b"content"


def test_a_file_is_put_as_it_is(tmp_path):
    (tmp_path / "file").write_bytes(b"\0content")
    bucket.put("a", tmp_path / "file")

    bucket.download("a", tmp_path / "copy")

    assert (tmp_path / "copy").read_bytes() == b"\0content"


def test_what_is_not_there_is_none(tmp_path):
    assert bucket.get("a") is None
    assert bucket.read("a") is None
    with pytest.raises(ClientError, match="NoSuchKey"):
        bucket.download("a", tmp_path / "copy")


def test_putting_again_replaces():
    bucket.put("a", b"first")

    assert bucket.put("a", b"second")
    assert bucket.get("a") == b"second"


def test_putting_once_leaves_what_is_there():
    assert bucket.put("a", b"first", once=True)

    assert not bucket.put("a", b"second", once=True)
    assert bucket.get("a") == b"first"


def test_replacing_nothing_is_for_one():
    assert bucket.replace("a", b"first", None)

    assert bucket.replace("a", b"second", None) is None
    assert bucket.get("a") == b"first"


def test_replacing_what_was_read_is_for_one():
    bucket.put("a", b"first")
    read = bucket.read("a")
    assert read

    assert bucket.replace("a", b"second", read.tag)
    assert bucket.replace("a", b"third", read.tag) is None
    assert bucket.get("a") == b"second"


def test_a_replaced_object_is_replaced_by_its_new_tag():
    tag = bucket.replace("a", b"first", None)
    tag = bucket.replace("a", b"second", tag)

    assert bucket.replace("a", b"third", tag)
    assert bucket.get("a") == b"third"


def test_what_another_request_writes_at_the_same_moment_is_waited_for(clock):
    with fails(services.s3(), "put_object", a_refusal("ConditionalRequestConflict")):
        assert bucket.put("a", b"content", once=True)

    assert bucket.get("a") == b"content"
    assert clock.slept


def test_who_is_never_let_to_the_key_fails(clock, monkeypatch):
    def refuse(**_):
        raise a_refusal("ConditionalRequestConflict")

    monkeypatch.setattr(services.s3(), "put_object", refuse)

    with pytest.raises(ClientError, match="ConditionalRequestConflict"):
        bucket.put("a", b"content", once=True)


@pytest.mark.parametrize("once", [True, False])
def test_a_refusal_is_no_answer(once):
    with (
        fails(services.s3(), "put_object", a_refusal("AccessDenied")),
        pytest.raises(ClientError, match="AccessDenied"),
    ):
        bucket.put("a", b"content", once=once)


def test_keys_are_listed_in_order_whatever_their_number(monkeypatch):
    client = services.s3()
    monkeypatch.setattr(client, "list_objects_v2", partial(client.list_objects_v2, MaxKeys=3))
    keys = [f"a/{number:04}" for number in range(10)]
    for key in (*reversed(keys), "b"):
        bucket.put(key, b"")

    assert bucket.keys("a/") == keys
    assert bucket.keys("c/") == []


def test_deleting_takes_what_is_there():
    for key in ("a", "b", "c"):
        bucket.put(key, b"")

    bucket.delete(["a", "b", "never there"])

    assert bucket.keys("") == ["c"]


def test_deleting_nothing_asks_for_nothing(monkeypatch):
    monkeypatch.setattr(bucket, "s3", None)

    bucket.delete([])


def test_an_object_that_cannot_be_deleted_is_not_passed_over(monkeypatch):
    client = services.s3()
    errors = {"Errors": [{"Code": "InternalError", "Key": "a"}]}
    monkeypatch.setattr(client, "delete_objects", lambda **_: errors)

    with pytest.raises(OSError, match="InternalError a"):
        bucket.delete(["a"])


def test_without_a_bucket_an_operator_is_told(monkeypatch):
    monkeypatch.delenv("BOOKS_BUCKET")

    with pytest.raises(Problem, match="BOOKS_BUCKET"):
        bucket.put("a", b"")
