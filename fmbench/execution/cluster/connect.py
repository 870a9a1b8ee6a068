"""Connects to the scheduler of a Dask cluster, or says in a line why it cannot be done."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from fmbench.errors import UserError

CONNECT_SECONDS = 5


def client_of(address: str) -> Any:
    """A ``distributed.Client`` of the scheduler at ``address``.

    Raises:
        UserError: Dask is not installed, or no scheduler answers there.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UserError("--backend dask needs Dask: pip install 'fmbench[dask]'") from None
    # What it would say of lost connections is said by the cluster, in words that name cells.
    for name in [n for n in logging.root.manager.loggerDict if n.startswith("distributed")]:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        asyncio.run(_knock(address))
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:  # Dask's TimeoutError is Python's, an OSError
        said = " ".join(str(error).split())[:200]
        remedy = "start one with `dask scheduler`"
        if address.startswith(("tls:", "wss:")):
            remedy = "Dask's TLS has to be configured, here as there (distributed.comm.tls)"
        raise UserError(
            f"--scheduler {address}: no Dask scheduler answers there ({said}); {remedy}"
        ) from None


async def _knock(address: str) -> None:
    """Raise what connecting to an address raises.

    A Client that cannot be built leaves a traceback when the process ends, and seconds later.
    """
    import dask
    from distributed import Security
    from distributed.comm import connect

    if dask.config.get("distributed.client.security-loader", None) is None:
        security = Security().get_connection_args("client")
        await (await connect(address, timeout=CONNECT_SECONDS, **security)).close()
