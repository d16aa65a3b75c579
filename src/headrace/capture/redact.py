"""Takes secrets out of what is about to be recorded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

__all__ = ["REDACTED", "is_secret_file", "is_secret_name", "redact_arguments", "redact_text", "redact_url"]

REDACTED = "[redacted]"

_PIECE = 32 * 1024

_WORDS = (
    "pass",
    "passwd",
    "password",
    "passphrase",
    "pwd",
    "secrets?",
    "tokens?",
    "credentials?",
    "auth",
    "bearer",
    "cookie",
    "dsn",
)
_SECRET_NAME = re.compile(
    rf"(?:^|[^a-z])(?:{'|'.join(_WORDS)})(?:$|[^a-z])"
    r"|(?:api|access|private|secret|account|signing|encryption)[-_]?(?:key|token)|(?:auth|refresh|id)token"
    r"|password|passwd|passphrase|secret|authorization|connection[-_]?string",
    re.IGNORECASE,
)
_NOT_SECRET = re.compile(
    r"^-*(?:max|num|n|min)[-_]|[-_](?:length|len|count|size|limit|path|file|url|type|ids?)$|tokeni[sz]er", re.IGNORECASE
)
_URL_LOGIN = re.compile(r"(?P<scheme>(?<![a-zA-Z0-9+.\-])[a-zA-Z][a-zA-Z0-9+.\-]{0,30}://)[^/\s@'\"]{1,2000}@")
_URL_PARAMETER = re.compile(
    r"(?P<name>[?&;][\w.\-]{0,40}(?:token|key|secret|password|pwd|signature|sig|credential|auth)[\w.\-]{0,40}=)[^&\s'\"#]+",
    re.IGNORECASE,
)
_KNOWN = re.compile(
    r"(?:AKIA|ASIA)[0-9A-Z]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w\-]{16,}"
    r"|sk-[A-Za-z0-9_\-]{16,}|xox[abposr]-[\w\-]{10,}|hf_[A-Za-z0-9]{20,}|AIza[\w\-]{30,}|npm_[A-Za-z0-9]{30,}|pypi-[\w\-]{30,}"
    r"|(?<![\w\-])eyJ[\w\-]{10,4000}\.[\w\-]{10,4000}\.[\w\-]*"
    r"|(?<=Bearer )[\w\-.~+/]{8,}=*|(?<=Basic )[A-Za-z0-9+/]{8,}=*"
)
_QUOTED = re.compile(
    r"(?P<name>(?<![\w.\-])[\w.\-]{1,100})(?P<between>['\"]?\]?\s*(?:=>|=|:)\s*[rbf]{0,2})(?P<quote>['\"])(?P<value>[^'\"\n]{3,})(?P=quote)",
    re.IGNORECASE,
)
_BARE = re.compile(
    r"(?m)^(?P<lead>[+\- ]?\s*(?:export\s+)?)(?P<name>[\w.\-]{1,100})(?P<between>=|:\s+)(?P<value>[^\s'\"(){}\[\],]{6,})\s*$"
)
_INLINE = re.compile(
    r"(?P<lead>[^\s,(][ \t])(?P<name>[a-zA-Z][\w.\-]{1,99})(?P<between>=|:[ \t]+)(?P<value>[^\s'\"(){}\[\],;]{6,})(?=[\s'\";]|$)"
)
"""`… host=db password=…`, as databases' drivers say where they connect to, and `… password: …`. After a comma or a bracket it is
code."""
_PRIVATE_KEY = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)

_SECRET_SUFFIXES = (".pem", ".key", ".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".ppk", ".asc", ".gpg", ".tfvars", ".tfstate")
_SECRET_STEMS = (
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    ".netrc",
    "_netrc",
    ".pgpass",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    ".htpasswd",
)
_SECRET_FOLDERS = (".ssh", ".aws", ".gnupg", ".kube", ".docker", ".azure", ".headrace")


def is_secret_name(name: str) -> bool:
    """Whether a variable or an option of this name is likely to hold a secret."""
    return bool(_SECRET_NAME.search(name)) and not _NOT_SECRET.search(name)


def is_secret_file(path: str) -> bool:
    """Whether a file of this path (with `/`) is likely to hold keys or passwords; its content isn't even read."""
    parts = PurePosixPath(path.lower()).parts
    name = parts[-1] if parts else ""
    return (
        name.endswith(_SECRET_SUFFIXES)
        or name.startswith((*_SECRET_STEMS, ".env"))
        or name.endswith(".env")
        or any(word in name for word in ("secret", "credential", "password", "service-account", "service_account"))
        or any(folder in parts[:-1] for folder in _SECRET_FOLDERS)
    )


def redact_url(url: str) -> str:
    """A URL without its login and with the values of secret parameters replaced; scp-like addresses keep their user."""
    return _URL_PARAMETER.sub(rf"\g<name>{REDACTED}", _URL_LOGIN.sub(r"\g<scheme>", url))


def redact_text(text: str) -> str:
    """Text with logins in URLs, known kinds of tokens, private keys and assigned passwords replaced.."""
    if "PRIVATE KEY-----" in text:
        text = _PRIVATE_KEY.sub(_blank_key, text)
    return "".join(_redact_piece(piece) for piece in _pieces(text))


def _pieces(text: str) -> Iterator[str]:
    """The text cut at ends of lines: one expression over megabytes would hold up the other threads of the process."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + _PIECE) + 1 or len(text)
        yield text[start:end]
        start = end


def _redact_piece(text: str) -> str:
    text = _KNOWN.sub(REDACTED, redact_url(text))
    return _INLINE.sub(_bare, _BARE.sub(_bare, _QUOTED.sub(_quoted, text)))


def redact_arguments(arguments: Sequence[str]) -> list[str]:
    """A command line with the values of secret options replaced: `--password=x`, `--token x`, `API_KEY=x`."""
    shown: list[str] = []
    value_is_secret = False
    for argument in arguments:
        if value_is_secret and not argument.startswith("--"):
            shown.append(REDACTED)
            value_is_secret = False
            continue
        name, equals, _ = argument.partition("=")
        secret = "://" not in name and " " not in name and is_secret_name(name)
        shown.append(f"{name}={REDACTED}" if secret and equals else redact_text(argument))
        value_is_secret = secret and not equals and argument.startswith("-")
    return shown


def _quoted(match: re.Match[str]) -> str:
    name, between, quote, _ = match.groups()
    return f"{name}{between}{quote}{REDACTED}{quote}" if is_secret_name(name) else match.group(0)


def _bare(match: re.Match[str]) -> str:
    """`TOKEN=abc` of a settings file or a message; in lower case only if the value has a digit, else it is a line of code."""
    lead, name, between, value = match.groups()
    secret = is_secret_name(name) and (name.isupper() or any(char.isdigit() for char in value))
    return f"{lead}{name}{between}{REDACTED}" if secret else match.group(0)


def _blank_key(match: re.Match[str]) -> str:
    return match.group(1) + REDACTED + "\n" * match.group(0).count("\n") + match.group(2)
