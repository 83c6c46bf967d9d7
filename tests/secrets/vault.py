"""A server of Vault or OpenBao, prepared as the docs say, under exactly the committed policy."""

from dataclasses import dataclass, field
from pathlib import Path

from cassini.contracts.resources import new_id
from cassini.testing.vaults import Operator
from services.secrets.settings import VaultSettings

POLICY = Path(__file__).parents[2] / "deploy" / "openbao" / "cassini-policy.hcl"


@dataclass
class Vault:
    """A server as Cassini's docs say to prepare it, and the settings to reach it."""

    operator: Operator
    directory: Path
    namespace: str | None = None
    others: set[str] = field(default_factory=set)
    """Tokens that are another role's."""

    def prepare(self, **role):
        """Enable engine and AppRole, write the policy, make a role; returns the settings."""
        self.enable("mounts/secret", type="kv", options={"version": "2"})
        self.enable("auth/approle", type="approle")
        self.ask("PUT", "sys/policies/acl/cassini", policy=POLICY.read_text())
        self.role = f"cassini-{new_id()}"
        self.change_role(token_policies=["cassini"], token_no_default_policy=True, **role)
        role_id = self.ask("GET", f"auth/approle/role/{self.role}/role-id")["data"]["role_id"]
        self.new_secret_id()
        return VaultSettings(
            url=self.operator.url,
            role_id=role_id,
            secret_id_file=self.directory / "secret-id",
            namespace=self.namespace,
        )

    def change_role(self, **role):
        self.ask("POST", f"auth/approle/role/{self.role}", **role)

    def new_secret_id(self):
        made = self.ask("POST", f"auth/approle/role/{self.role}/secret-id")["data"]
        (self.directory / "secret-id").write_text(f"{made['secret_id']}\n")
        return made

    def versions(self, credential_id):
        """Return what the engine has of a credential's versions."""
        kept = self.ask("GET", f"secret/metadata/cassini/{credential_id}")["data"]["versions"]
        return {int(number): version for number, version in kept.items()}

    def tokens(self):
        """Return the accessors of the tokens that the role's logins got."""
        keys = self.ask("LIST", "auth/token/accessors")["data"]["keys"]
        new = set(keys) - self.others
        mine = {key for key in new if self._role_of(key) == self.role}
        self.others |= new - mine
        return sorted(mine)

    def revoke_tokens(self):
        for accessor in self.tokens():
            self.ask("POST", "auth/token/revoke-accessor", accessor=accessor)

    def ask(self, method, path, **content):
        return self.operator.ask(method, path, self.namespace, **content)

    def _role_of(self, accessor):
        try:
            told = self.ask("POST", "auth/token/lookup-accessor", accessor=accessor)["data"]
        except RuntimeError:  # it has ended meanwhile
            return None
        return (told["meta"] or {}).get("role_name")

    def enable(self, path, **what):
        try:
            self.ask("POST", f"sys/{path}", **what)
        except RuntimeError as error:
            if "already in use" not in str(error):
                raise
