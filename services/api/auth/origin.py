"""Our own origin, and requests that a browser made for another page.

A cookie travels with requests that a stranger's page causes, an ``Authorization`` header does
not. So whatever a cookie authenticates and changes something needs an ``Origin`` header that
equals ours: browsers add it to every such request and no page can forge it.
"""

from functools import lru_cache
from urllib.parse import urlsplit

from fastapi import Request

from cassini.runtime.errors import Forbidden

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


@lru_cache(maxsize=8)
def origin_of(url: str) -> str:
    """Return the origin of an address as browsers write it: no default port, no path."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    port = parts.port
    named = port is None or port == _DEFAULT_PORTS.get(parts.scheme)
    return f"{parts.scheme}://{host}" if named else f"{parts.scheme}://{host}:{port}"


def require_own_origin(request: Request, base_url: str) -> None:
    """Refuse a request that changes something unless one of our own pages made it.

    Raises:
        Forbidden: its ``Origin`` is missing or another one.
    """
    own = origin_of(base_url)
    if request.method in _SAFE_METHODS or request.headers.get("origin") == own:
        return
    raise Forbidden(
        f"a signed-in browser may change things only from {own}: open Cassini under that address, "
        "or use an API token",
        code="bad_origin",
    )


def is_cross_site(request: Request) -> bool:
    """Whether the browser says that another site's page caused this request."""
    return request.headers.get("sec-fetch-site", "none") in {"cross-site", "same-site"}
