"""Reading and writing the bucket. An object is put whole, in one request, so nobody ever reads half of one."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import batched, count
from pathlib import Path
from typing import IO, Any, NamedTuple

from botocore.exceptions import ClientError

from jobs import settings
from jobs.services import s3

# Of a conditional PutObject: the condition does not hold (412), the object that was to be replaced is gone (404), or
# another request writes to the key at the same moment (409), of which nobody knows yet whether it will.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
_LOST = ("PreconditionFailed", "NoSuchKey")
_CONFLICT = "ConditionalRequestConflict"
_CONFLICTS, _CONFLICT_SECONDS = 10, 0.5
_COPY_BYTES = 1024 * 1024


class Version(NamedTuple):
    """What an object holds, and the tag that it has as long as it does."""

    content: bytes
    tag: str


def name() -> str:
    """The bucket's name."""
    return settings.text("BOOKS_BUCKET")


def put(key: str, content: bytes | Path, *, once: bool = False) -> bool:
    """Put an object. With `once`, only where there is none; answers False where somebody has put it before, which may
    have been an attempt of ours whose answer was lost.
    """
    return _put(key, content, {"IfNoneMatch": "*"} if once else {}) is not None


def replace(key: str, content: bytes, tag: str | None) -> str | None:
    """Put an object in the place of the one with this tag, or where there is none; answers the tag that it has now, or
    None where something else stands, which may be an attempt of ours whose answer was lost.
    """
    return _put(key, content, {"IfMatch": tag} if tag else {"IfNoneMatch": "*"})


def _put(key: str, content: bytes | Path, condition: dict[str, str]) -> str | None:
    for attempt in count(1):
        with ExitStack() as stack:
            body: Any = stack.enter_context(content.open("rb")) if isinstance(content, Path) else content
            request: Any = {"Bucket": name(), "Key": key, "Body": body} | condition
            try:
                return s3().put_object(**request)["ETag"]
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if condition and code in _LOST:
                    return None
                if code != _CONFLICT or attempt == _CONFLICTS:
                    raise
        time.sleep(_CONFLICT_SECONDS)
    raise AssertionError


def digest(file: Path) -> str:
    """A short name for what a file holds."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()[:16]


def get(key: str) -> bytes | None:
    """What an object holds; None when there is none."""
    version = read(key)
    return version.content if version else None


def read(key: str) -> Version | None:
    """The same with the object's tag."""
    try:
        answer = s3().get_object(Bucket=name(), Key=key)
    except s3().exceptions.NoSuchKey:
        return None
    return Version(answer["Body"].read(), answer["ETag"])


def download(key: str, to: Path) -> None:
    """Write an object to a file. Raises what S3 raises, NoSuchKey when there is none."""
    body = s3().get_object(Bucket=name(), Key=key)["Body"]
    with to.open("wb") as file:
        _copy(body, file)


def _copy(body: Any, file: IO[bytes]) -> None:
    for piece in body.iter_chunks(_COPY_BYTES):  # it checks the length, which a plain read does not
        file.write(piece)


def keys(prefix: str) -> list[str]:
    """The keys that begin with this, in order."""
    pages = s3().get_paginator("list_objects_v2").paginate(Bucket=name(), Prefix=prefix)
    return [one["Key"] for page in pages for one in page.get("Contents", ())]


def delete(keys: Iterable[str]) -> None:
    """Delete objects, those too that are not there. Raises what S3 raises, or OSError for keys that it left."""
    for batch in batched(keys, 1000):  # as many as it takes at once
        answer = s3().delete_objects(Bucket=name(), Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True})
        if errors := answer.get("Errors"):
            raise OSError(f"{len(errors)} objects could not be deleted: {errors[0].get('Code')} {errors[0].get('Key')}")
