"""What can't be served is refused before any process is made for it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

import headrace as hr
from headrace.flavors.signature import Column, Signature
from headrace.serving.loader import Loader
from headrace.serving.slot import Bounds
from servers.models import constant, definitions, register


@pytest.fixture
def store(tmp_path):
    with hr.connect(tmp_path) as store:
        store.apply(definitions())
        register(store, constant(1.0))
        yield store


def load(store, version):
    return asyncio.run(Loader(store.models, store.catalog, Bounds())(version))


def test_a_version_whose_view_is_gone_is_refused(store):
    gone = replace(store.models.get("ranker"), view="ranking:9")
    with pytest.raises(hr.NotFoundError, match="reads view 'ranking:9', which can't be served"):
        load(store, gone)


def test_a_version_that_takes_what_its_view_doesn_t_give_is_refused(store):
    other = replace(store.models.get("ranker"), signature=Signature((Column("likes", "int64"), Column("mood", "string"))))
    with pytest.raises(hr.InvalidInputError, match="takes 'mood', which its view 'ranking:1' doesn't give"):
        load(store, other)
