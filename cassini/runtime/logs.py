"""Logging: structured lines by structlog, with secrets struck out whoever wrote them.

Values are struck out by the name they are logged under, and in any text by the look of a token of
ours. Uvicorn's and other libraries' lines pass the same processors.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import structlog

_STRUCK = "[redacted]"
_SECRET_NAME = re.compile(
    r"token|password|secret|sealed|authorization|cookie|credential_value|private_key", re.IGNORECASE
)
_SECRET_TEXT = re.compile(
    r"eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"  # a JSON Web Token
    r"|(?i:(?:token|bearer)\s+|[?&](?:token|code)=)[A-Za-z0-9._~+/=-]{12,}"
)


def redact(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Strike out what looks like a secret (a structlog processor)."""
    for key, value in event.items():
        if not key.startswith("_"):  # structlog's own
            event[key] = _strike(key, value)
    return event


def _strike(key: object, value: Any) -> Any:
    if isinstance(key, str) and _SECRET_NAME.search(key):
        return _STRUCK
    if isinstance(value, Mapping):
        return {name: _strike(name, each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_strike(None, each) for each in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else repr(value)
    struck = _SECRET_TEXT.sub(_STRUCK, text)
    return value if struck == text else struck


def configure_logging(
    *, level: str = "info", form: Literal["auto", "text", "json"] = "auto"
) -> None:
    """Send structlog's and the standard library's lines to standard error, one form for all."""
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer = structlog.dev.ConsoleRenderer() if text else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for noisy in ("httpx", "httpcore", "asyncio", "aiosqlite", "alembic", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
