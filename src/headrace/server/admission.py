"""Who a request is from, and whether they may: asked of every request, as soon as the project has users."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Self

from headrace.errors import InvalidInputError, UnauthenticatedError
from headrace.server.endpoint import Endpoint

if TYPE_CHECKING:
    from headrace.accounts.account import Account
    from headrace.accounts.service import Accounts
    from headrace.store import Store

__all__ = ["Admission"]


class Admission:
    """Admits requests, or refuses them.

    Args:
        accounts: the project's users; None where there can be none.
        pool: where a password is hashed: on the event loop everybody would wait for it.
    """

    def __init__(self, accounts: Accounts | None, pool: Executor) -> None:
        self._accounts = accounts
        self._pool = pool

    @classmethod
    def of(cls, store: Store, pool: Executor) -> Self:
        """That of a store; one behind another server has no users of its own."""
        try:
            return cls(store.accounts, pool)
        except InvalidInputError:
            return cls(None, pool)

    async def __call__(self, endpoint: Endpoint, headers: Mapping[str, str]) -> Account | None:
        """Who asks, if they may; None where nobody is asked who they are.

        Raises:
            UnauthenticatedError: nobody that is known.
            AccessError: somebody who may not.
        """
        accounts = self._accounts
        if accounts is None or not accounts.exist:
            return None
        given = headers.get("authorization", "")
        if not given and not endpoint.permission:
            return None
        account = accounts.known(given)
        if account is None:
            try:
                account = await asyncio.get_running_loop().run_in_executor(self._pool, accounts.authenticate, given)
            except UnauthenticatedError:
                if endpoint.permission:
                    raise
                return None
        if endpoint.permission:
            account.require(endpoint.permission)
        return account
