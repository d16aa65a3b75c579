"""What an object store's refusal or silence means, told from the text of an error of `obstore` or `deltalake`."""

from __future__ import annotations

import re

__all__ = ["refusal"]

_REQUEST = re.compile(r"performing (GET|HEAD|PUT|POST|DELETE) ([^\s?]+)\??(list-type|prefix|restype|delete)?")
_STATUS = re.compile(r"non-2xx status code\W+(\d{3}) ([A-Za-z ]+)")
_COLOURS = re.compile(r"\x1b\[\d+m|↳")
_TOLD = {  # a part of the text, and what it means
    "without LOCATION|PermanentRedirect|AuthorizationHeaderMalformed": (
        "the bucket is in another region. Set AWS_REGION to the bucket's"
    ),
    "NoSuchBucket|ContainerNotFound": (
        "there is no such bucket. Create it, or correct its name in the settings or the endpoint (AWS_ENDPOINT_URL)"
    ),
    "builder error": "the endpoint isn't https. If that is meant, set AWS_ALLOW_HTTP=true",
}
_PERMISSIONS = {  # by what was asked: of S3 and its kin, of Google, and what Azure calls its roles
    "list-type": ("s3:ListBucket", "storage.objects.list", "Storage Blob Data Reader"),
    "delete": ("s3:DeleteObject", "storage.objects.delete", "Storage Blob Data Contributor"),
    "GET": ("s3:GetObject", "storage.objects.get", "Storage Blob Data Reader"),
    "PUT": ("s3:PutObject", "storage.objects.create", "Storage Blob Data Contributor"),
}
_AS = {"HEAD": "GET", "POST": "PUT", "DELETE": "delete", "prefix": "list-type", "restype": "list-type"}


def refusal(error: Exception) -> str:
    """What went wrong between us and the object store, and what to do; empty if the error says nothing of that kind."""
    text = " ".join(_COLOURS.sub(" ", str(error)).split())
    meant = next((meaning for part, meaning in _TOLD.items() if re.search(part, text)), "")
    request = _REQUEST.search(text)
    return meant or (_of_request(request, _STATUS.search(text)) if request else "")


def _of_request(request: re.Match[str], status: re.Match[str] | None) -> str:
    shown = f"{request[1]} {request[2]}"
    code = int(status[1]) if status else 0
    if code == 404:
        return ""
    if code in (401, 403):
        asked = request[3] or request[1]
        store = 1 if "googleapis" in request[2] else 2 if "windows.net" in request[2] else 0
        permission = _PERMISSIONS[_AS.get(asked, asked)][store]
        return f"{shown} was refused ({code}). Check the credentials, and give them the permission {permission}"
    reason = f"answered {code} {status[2].strip()}" if status else "had no answer"
    return f"{shown} {reason}, however often it was tried. Check the endpoint and the network, then repeat"
