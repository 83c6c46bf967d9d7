"""The store in HashiCorp Vault or OpenBao: a KV version 2 engine, one secret a credential.

Every write is a check-and-set on the version that was read, so an older generation never takes the
place of a newer one, whoever comes late. A deletion is a version of its own that says which
generation it is of, for the same reason; then the versions before it are deleted softly: an
operator can bring them back. Versions are kept as the engine says (``max_versions``).

hvac blocks: each call has a thread and a deadline. Only this file knows hvac.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import hvac
import requests
import structlog
from hvac.exceptions import InvalidPath, InvalidRequest, VaultError

from cassini.runtime.blocking import Unanswered, in_thread
from cassini.runtime.errors import BackendError
from services.secrets.settings import VaultSettings
from services.secrets.stores.base import NewerKept, StoredValue, StoreUnavailable
from services.secrets.stores.vault_errors import Doing, explain, unreachable, wrong_engine
from services.secrets.stores.vault_login import Granted, Login

T = TypeVar("T")

_REQUEST_SECONDS = 5.0
_CALL_SECONDS = 30.0
"""A call is up to a handful of requests, a login among them."""
_CHECK = "check"
"""Where nothing is: reading it shows that what is there could be read."""
_MOST_RACES = 8
_CONNECTIONS = 32
_RETRY_SECONDS = 5.0

_log = structlog.get_logger(__name__)


class VaultStore:
    """Keeps values in Vault or OpenBao."""

    def __init__(self, settings: VaultSettings) -> None:
        self._secrets = _Secrets(settings)
        self._login = Login(self._secrets)

    async def put(self, credential_id: str, value: StoredValue) -> None:
        """Keep a value in the place of what was there, if that is not newer."""
        content = {
            "generation": value.generation,
            "value_id": value.value_id,
            "value": value.value,
        }
        await self._call(partial(self._secrets.replace, credential_id, content))

    async def get(self, credential_id: str) -> StoredValue | None:
        """Return what is kept; None where nothing is."""
        kept, _ = await self._call(partial(self._secrets.read, credential_id))
        if kept is None or "value" not in kept:
            return None
        return StoredValue(kept["generation"], kept["value_id"], kept["value"])

    async def delete(self, credential_id: str, *, generation: int) -> None:
        """Forget a value, if it is not newer; success if there is none."""
        deletion = {"generation": generation, "deleted": True}
        await self._call(partial(self._secrets.replace, credential_id, deletion))
        await self._call(partial(self._secrets.delete_before_last, credential_id))

    async def check(self) -> None:
        """Return if values could be read now."""
        await self._call(partial(self._secrets.read, _CHECK))

    async def keep_open(self) -> None:
        """Keep the login alive until cancelled; calls log in by themselves when it is not."""
        failing = False
        while True:
            try:
                wait, failing = await self._in_thread(self._login.keep), False
            except StoreUnavailable as error:
                if not failing:
                    _log.warning("the login at the store cannot be kept", error=error.message)
                wait, failing = _RETRY_SECONDS, True
            await asyncio.sleep(wait)

    async def _call(self, work: Callable[[], T]) -> T:
        return await self._in_thread(partial(self._login.call, work))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await in_thread(work, seconds=_CALL_SECONDS, what="the secret store")
        except Unanswered as error:
            raise StoreUnavailable(error.message) from None


class _Secrets:
    """The requests; all block."""

    def __init__(self, settings: VaultSettings) -> None:
        self._settings = settings
        session = requests.Session()
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=_CONNECTIONS)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        session.verify = str(settings.ca_file) if settings.ca_file else True
        self._client: Any = hvac.Client(
            url=settings.url,
            token="",  # not the one of the environment or of a person's home
            session=session,
            timeout=_REQUEST_SECONDS,
            namespace=settings.namespace,
        )
        self._kv = self._client.secrets.kv.v2
        self._mount = {"mount_point": settings.mount}

    def login(self) -> Granted:
        """Log in as the settings say; the token counts only where it can use the engine."""
        with self._told("login"):
            granted = self._log_in()
        self._client.token = granted.token
        with self._told("open"):
            engine = self._client.adapter.get(f"/v1/sys/internal/ui/mounts/{self._settings.mount}")
        if (engine["data"].get("options") or {}).get("version") != "2":
            raise wrong_engine(self._settings)
        return granted

    def renew(self) -> Granted:
        """Renew the token in use."""
        with self._told("renew"):
            return _granted(self._client.auth.token.renew_self()["auth"])

    def known(self) -> bool:
        """Say whether the server knows the token in use."""
        try:
            self._client.auth.token.lookup_self()
        except hvac.exceptions.Forbidden:
            return False
        except (VaultError, requests.RequestException):
            return True
        return True

    def read(self, credential_id: str) -> tuple[dict[str, Any] | None, int]:
        """Return what the last version holds and its number; (None, 0) where none ever was."""
        with self._told("read"):
            try:
                answer = self._kv.read_secret_version(
                    self._path(credential_id), raise_on_deleted_version=True, **self._mount
                )
            except InvalidPath as error:
                if error.errors:
                    raise
                return None, _version_of_deleted(error)
        content, version = answer["data"]["data"], answer["data"]["metadata"]["version"]
        if not _is_ours(content):
            raise BackendError(
                f"the secret of credential {credential_id} was not written by Cassini: take the"
                " version before it, or delete it"
            )
        return content, version

    def replace(self, credential_id: str, content: dict[str, Any]) -> None:
        """Write a version in the place of the last one, if that is not of a later generation."""
        for _ in range(_MOST_RACES):
            kept, version = self.read(credential_id)
            if kept == content:
                return
            if kept is not None and kept["generation"] > content["generation"]:
                raise NewerKept(credential_id, kept["generation"])
            with self._told("write"):
                try:
                    self._kv.create_or_update_secret(
                        self._path(credential_id), content, cas=version, **self._mount
                    )
                except InvalidRequest as error:
                    if "check-and-set" not in " ".join(error.errors or ()):
                        raise
                    continue
            return
        raise BackendError(f"credential {credential_id} is being written by others all the time")

    def delete_before_last(self, credential_id: str) -> None:
        """Delete all versions but the last one, softly."""
        with self._told("write"):
            metadata = self._kv.read_secret_metadata(self._path(credential_id), **self._mount)
            last = metadata["data"]["current_version"]
            there = [
                int(number)
                for number, version in metadata["data"]["versions"].items()
                if int(number) < last and not version["deletion_time"] and not version["destroyed"]
            ]
            if there:
                self._kv.delete_secret_versions(self._path(credential_id), there, **self._mount)

    def _path(self, credential_id: str) -> str:
        return f"{self._settings.prefix}/{credential_id}"

    def _log_in(self) -> Granted:
        settings, auth = self._settings, self._client.auth
        mount = {"mount_point": settings.login_mount, "use_token": False}
        match settings.auth:
            case "approle":
                role = settings.role_id or _text(settings.role_id_file)
                answer = auth.approle.login(role, _text(settings.secret_id_file), **mount)
            case "kubernetes":
                jwt = _text(settings.kubernetes_jwt_file)
                answer = auth.kubernetes.login(settings.kubernetes_role, jwt, **mount)
            case "token":
                self._client.token = _text(settings.token_file)
                told = auth.token.lookup_self()["data"]
                # The last second is told as 0, which would mean: without end.
                seconds = 0 if told["expire_time"] is None else told["ttl"] or 1
                return Granted(self._client.token, seconds, bool(told.get("renewable")))
        return _granted(answer["auth"])

    @contextmanager
    def _told(self, doing: Doing) -> Iterator[None]:
        """Turn the libraries' errors into sentences; they may hold what was sent, so they end."""
        try:
            yield
        except VaultError as error:
            raise explain(
                self._settings, doing, type(error).__name__, error.errors or [error.text or ""]
            ) from None
        except (requests.RequestException, OSError) as error:
            raise unreachable(self._settings, str(error)) from None


def _granted(auth: dict[str, Any]) -> Granted:
    return Granted(auth["client_token"], auth["lease_duration"], auth["renewable"])


def _is_ours(content: dict[str, Any]) -> bool:
    value = content.get("deleted") is True or (
        isinstance(content.get("value_id"), str) and isinstance(content.get("value"), str)
    )
    return value and isinstance(content.get("generation"), int)


def _version_of_deleted(error: InvalidPath) -> int:
    """Return the number of a last version that was deleted or destroyed by an operator."""
    data = (error.json or {}).get("data") or {}
    return int((data.get("metadata") or {}).get("version", 0))


def _text(path: Path | None) -> str:
    """Return the secret that a file holds.

    Raises:
        StoreUnavailable: it cannot be read, or is empty.
    """
    try:
        text = path.read_text().strip() if path else ""
    except (OSError, UnicodeDecodeError):
        text = ""
    if not text:
        raise StoreUnavailable(
            f"the login at the secret store needs the file {path}, which is empty or cannot be read"
        )
    return text
