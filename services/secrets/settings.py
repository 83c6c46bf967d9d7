"""The settings of the secrets service: where its Vault or OpenBao is and how it logs in there.

Every secret stands in a file whose name is the setting, so that it can be replaced while the
service runs: files are read again at each login.
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cassini.runtime.errors import Invalid
from cassini.runtime.settings import explain

_NAME = r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$"
_NEEDED = {
    "approle": (("role_id", "role_id_file"), ("secret_id_file",)),
    "token": (("token_file",),),
    "kubernetes": (("kubernetes_role",),),
}
"""What each method needs: one of the names in each group."""


class VaultSettings(BaseSettings):
    """How to reach HashiCorp Vault or OpenBao."""

    model_config = SettingsConfigDict(env_prefix="CASSINI_VAULT_", extra="ignore", frozen=True)

    url: str = Field(
        pattern=r"^https?://[^\s/@]+(/[^\s@]*)?$",
        max_length=2048,
        description="Where Vault or OpenBao answers: `https://vault.example.org:8200`",
    )
    auth: Literal["approle", "token", "kubernetes"] = Field(
        default="approle", description="How the service logs in"
    )
    auth_mount: str | None = Field(
        default=None,
        pattern=_NAME,
        max_length=256,
        description="The path of that auth method; default: its name",
    )
    role_id: str | None = Field(
        default=None, min_length=1, max_length=512, description="AppRole: the role id"
    )
    role_id_file: Path | None = Field(
        default=None, description="AppRole: or the file that holds the role id"
    )
    secret_id_file: Path | None = Field(
        default=None, description="AppRole: the file that holds the secret id"
    )
    token_file: Path | None = Field(
        default=None, description="Token: the file that holds the token"
    )
    kubernetes_role: str | None = Field(
        default=None, min_length=1, max_length=512, description="Kubernetes: the role to log in as"
    )
    kubernetes_jwt_file: Path = Field(
        default=Path("/var/run/secrets/kubernetes.io/serviceaccount/token"),
        description="Kubernetes: the file that holds the service account's token",
    )
    mount: str = Field(
        default="secret",
        pattern=_NAME,
        max_length=256,
        description="The path of the KV engine, which must be of version 2",
    )
    prefix: str = Field(
        default="cassini",
        pattern=_NAME,
        max_length=256,
        description="Where in that engine the values stand, one secret a credential",
    )
    namespace: str | None = Field(
        default=None, pattern=_NAME, max_length=256, description="The namespace; default: the root"
    )
    ca_file: Path | None = Field(
        default=None,
        description="Certificates (PEM) of the authorities that the server's own is trusted by;"
        " default: those that requests brings",
    )

    @model_validator(mode="after")
    def _method_is_complete(self) -> Self:
        for group in _NEEDED[self.auth]:
            if all(getattr(self, name) is None for name in group):
                names = " or ".join(f"CASSINI_VAULT_{name.upper()}" for name in group)
                raise ValueError(f"auth {self.auth} needs {names}")
        return self

    @property
    def login_mount(self) -> str:
        """The path of the auth method."""
        return self.auth_mount or self.auth


def load_vault_settings() -> VaultSettings:
    """Read the settings from the environment.

    Raises:
        Invalid: one is wrong or missing; the message says which and why.
    """
    try:
        return VaultSettings()
    except ValidationError as error:
        raise Invalid(explain(error, prefix="CASSINI_VAULT_"), code="settings") from None
