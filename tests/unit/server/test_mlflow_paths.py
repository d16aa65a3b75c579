"""Paths of MLflow's artifact protocol: they mean the same however often somebody decodes them."""

from __future__ import annotations

import pytest

from headrace.errors import InvalidInputError
from headrace.server.mlflow.artifacts_paths import clean_path


@pytest.mark.parametrize("path", ["C:/x", "c%3A/x", "C%253A/x", "a/%252e%252e/b", "%252Fetc", "a%2500b"])
def test_one_that_leads_elsewhere_once_decoded_is_refused(path):
    with pytest.raises(InvalidInputError, match="Invalid path"):
        clean_path(path)


@pytest.mark.parametrize("path", ["plots/roc.png", "50%25 done.txt", "50%2525.txt", "100%", "a/C:/x"])
def test_any_other_is_kept_as_it_is(path):
    assert clean_path(path) == path
