"""Secrets are taken out."""

from __future__ import annotations

import pytest

from headrace.capture.redact import REDACTED, is_secret_file, is_secret_name, redact_arguments, redact_text, redact_url


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--password=abc"], [f"--password={REDACTED}"]),
        (["--token", "abc", "--lr", "1"], ["--token", REDACTED, "--lr", "1"]),
        (["--db-password", "abc"], ["--db-password", REDACTED]),
        (["API_KEY=abc"], [f"API_KEY={REDACTED}"]),
        (["--api-key=abc"], [f"--api-key={REDACTED}"]),
        (["--max-tokens=5", "--tokenizer=bpe", "--num-tokens", "9"], ["--max-tokens=5", "--tokenizer=bpe", "--num-tokens", "9"]),
        (["--use-auth", "--epochs=3"], ["--use-auth", "--epochs=3"]),
        (["postgres://u:p@h/db"], ["postgres://h/db"]),
        (["--url=https://x/?access_token=aaa&b=1"], [f"--url=https://x/?access_token={REDACTED}&b=1"]),
        (["ghp_" + "a" * 36], [REDACTED]),
        (["train.py", "--author=ann", "--keys=user_id"], ["train.py", "--author=ann", "--keys=user_id"]),
    ],
)
def test_a_command_line_keeps_everything_but_secrets(arguments, expected):
    assert redact_arguments(arguments) == expected


@pytest.mark.parametrize(
    "name", ["PASSWORD", "db_password", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "apiKey", "--auth", "authToken", "DSN"]
)
def test_names_of_secrets_are_known(name):
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["author", "tokenizer", "max_tokens", "keys", "passage", "token_count", "compass", "secretary_path"]
)
def test_names_of_other_things_are_left_alone(name):
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "path",
    [".env", "a/.env.local", "prod.env", "id_rsa", "k/server.pem", "x.key", ".aws/config", "my_secrets.yaml", "credentials.json"],
)
def test_files_that_hold_secrets_are_known(path):
    assert is_secret_file(path)


@pytest.mark.parametrize("path", ["train.py", "environment.py", "keys.py", "data/films.csv", "README.md"])
def test_other_files_are_not_secret(path):
    assert not is_secret_file(path)


def test_urls_lose_their_login_and_keep_the_rest():
    assert redact_url("https://me:tok@github.com/a/b.git") == "https://github.com/a/b.git"
    assert redact_url("https://tok@github.com/a/b.git") == "https://github.com/a/b.git"
    assert redact_url("git@github.com:a/b.git") == "git@github.com:a/b.git"


@pytest.mark.parametrize(
    "secret",
    [
        'password = "hunter2"',
        "{'api_key': 'abcdef123'}",
        "DB_PASSWORD=hunterhunter",
        "password: hunter22",
        "OperationalError: can't connect: host=db user=ann password=hunter22 dbname=x",
        "connect('host=db password=hunter22')",
        "using password: hunter22",
        "AKIA" + "A" * 16,
        "Authorization: Bearer abcdef123456",
        "eyJ" + "a" * 20 + "." + "b" * 20 + ".c",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_secrets_in_text_are_replaced_and_lines_stay(secret):
    shown = redact_text(f"+before\n+{secret}\n+after")
    assert REDACTED in shown
    assert not any(part in shown for part in ("hunter", "abcdef", "MIIE", "AAAA", "bbbb"))
    assert shown.count("\n") == f"+before\n+{secret}\n+after".count("\n")


def test_code_about_tokens_stays_code():
    code = (
        "+tokens = tokenizer\n+def f(token: Optional, password=None):\n+    return self.password\n"
        "+    g(user, password=password1, token=tokens[0])\n+    token = next_token1\n+    if a: token = tokenizer2.next\n"
    )
    assert redact_text(code) == code
