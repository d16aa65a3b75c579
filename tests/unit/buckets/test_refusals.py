"""What an object store says becomes what to do; the texts are those of obstore 0.12 and deltalake 1.6."""

from __future__ import annotations

import pytest

from headrace.buckets.refusals import refusal

MARK = "\x1b[31m↳\x1b[0m"
DENIED = "in 1ms - Server returned non-2xx status code: 403 Forbidden: <Error/>"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"Error performing PUT https://b.s3.eu-west-1.amazonaws.com/k {DENIED}", "s3:PutObject"),
        (f"Error performing GET https://minio:9000/b?list-type=2&prefix=x {DENIED}", "s3:ListBucket"),
        (f"Error performing POST https://minio:9000/b?delete {DENIED}", "s3:DeleteObject"),
        (f"Error performing HEAD https://minio:9000/b/k {DENIED}", "s3:GetObject"),
        (f"Error performing GET https://storage.googleapis.com/b?list-type=2&prefix=x {DENIED}", "storage.objects.list"),
        (f"Error performing PUT https://storage.googleapis.com/b/k {DENIED}", "storage.objects.create"),
        (f"Error performing GET https://me.blob.core.windows.net/c?restype=container&comp=list {DENIED}", "Blob Data Reader"),
        (f"Error performing DELETE https://me.blob.core.windows.net/c/k {DENIED}", "Blob Data Contributor"),
        ("Error performing GET http://h/b/k in 2s, after 2 retries - HTTP error: error sending request", "had no answer"),
        (f"{MARK} Error performing PUT http://h/k in 2s\n {MARK} 2 - Server returned non-2xx status code\n {MARK} 500 Oh", "500"),
        ("Received redirect without LOCATION, this normally indicates an incorrectly configured region", "AWS_REGION"),
        ("404 Not Found: <Code>NoSuchBucket</Code>", "no such bucket"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_to_do(text, said):
    assert said in refusal(OSError(text))


@pytest.mark.parametrize(
    "text",
    [
        "Object at x not found: Error performing GET http://h/b/x in 4ms: Server returned non-2xx status code: 404 Not Found",
        "No space left on device (os error 28)",
    ],
)
def test_what_is_no_refusal_is_left_to_others(text):
    assert refusal(OSError(text)) == ""
