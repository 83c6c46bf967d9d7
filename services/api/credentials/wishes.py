"""Declaring values to keep, among them those that the platform makes itself: resources' tokens.

For a token no start is held: the wish of the workload names the generation of each credential that
was declared in the same transaction, and a lease is granted only when the store has at least that
one, so a value that is late delays the start and is never the old one.
"""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.credentials import CredentialDeclaredV1
from cassini.contracts.resources import ServiceName, Wanted, new_id
from cassini.contracts.workloads import SecretVariable
from cassini.runtime.declarations import Numbers
from services.api.auth.models import ApiToken
from services.api.auth.tokens import (
    current_resource_token,
    mint_resource_token,
    revoke_resource_tokens,
)
from services.api.context import ApiContext
from services.api.credentials.models import PlatformCredential
from services.api.people.owners import Owner

_VARIABLE = "SATURN_TOKEN"


async def renew_token(
    session: AsyncSession, api: ApiContext, *, resource_id: str, resource_type: str, owner: Owner
) -> None:
    """Make a new resource token and have it kept; tokens made before go on to work.

    They live until they are revoked: a store that lost a value is no reason to lock out what runs.
    The new one may do what the one before may; the first one is for its resource alone.
    """
    current = await current_resource_token(session, resource_id)
    scope = current.scope if current else f"{resource_type}:{resource_id}"
    await _mint(session, api, resource_id, resource_type, owner, scope)


async def rotate_token(
    session: AsyncSession,
    api: ApiContext,
    *,
    resource_id: str,
    resource_type: str,
    owner: Owner,
    scope: str | None,
) -> ApiToken:
    """Make a new resource token of this scope and have it kept; those before end at once."""
    await revoke_resource_tokens(session, resource_id, now=api.clock.now())
    return await _mint(session, api, resource_id, resource_type, owner, scope)


async def _mint(
    session: AsyncSession,
    api: ApiContext,
    resource_id: str,
    resource_type: str,
    owner: Owner,
    scope: str | None,
) -> ApiToken:
    token, text = await mint_resource_token(
        session,
        api.keys,
        now=api.clock.now(),
        user_id=owner.user_id,
        owner_id=owner.id,
        resource_id=resource_id,
        resource_type=resource_type,
        scope=scope,
    )
    await _set_value(session, api, resource_id, text)
    return token


async def _set_value(session: AsyncSession, api: ApiContext, resource_id: str, value: str) -> None:
    row = await _of_resource(session, resource_id)
    if row is None:
        row = PlatformCredential(id=new_id(), resource_id=resource_id)
    row.generation = await declare_value(session, api, row.id, value)
    session.add(row)


async def declare_value(
    session: AsyncSession, api: ApiContext, credential_id: str, value: str
) -> int:
    """Have a value kept, sealed to the secrets service; returns the generation of the wish."""

    def make(numbers: Numbers) -> CredentialDeclaredV1:
        return CredentialDeclaredV1(
            id=credential_id,
            declarer=ServiceName.API,
            generation=numbers.generation,
            wanted=Wanted.PRESENT,
            value_id=new_id(),
            sealed=api.sealer.seal(
                value,
                reader=ServiceName.SECRETS,
                resource_id=credential_id,
                generation=numbers.generation,
            ),
        )

    return (await api.declarations.declare(session, "credential", credential_id, make)).generation


async def declare_absent(session: AsyncSession, api: ApiContext, credential_id: str) -> None:
    """Have a value forgotten."""
    await api.declarations.declare(
        session,
        "credential",
        credential_id,
        lambda numbers: CredentialDeclaredV1(
            id=credential_id,
            declarer=ServiceName.API,
            generation=numbers.generation,
            wanted=Wanted.ABSENT,
            value_id="",
        ),
    )


async def secret_variables(session: AsyncSession, resource_id: str) -> tuple[SecretVariable, ...]:
    """Return what a workload's wish says of its secrets: variables, ids and least generations."""
    row = await _of_resource(session, resource_id)
    if row is None:
        return ()
    secret = SecretVariable(
        variable=_VARIABLE, credential_id=row.id, minimum_generation=row.generation
    )
    return (secret,)


async def find(session: AsyncSession, credential_id: str) -> PlatformCredential | None:
    """Return a credential by its id."""
    return await session.get(PlatformCredential, credential_id)


async def remove(session: AsyncSession, api: ApiContext, resource_id: str) -> None:
    """Wish a resource's credential absent and forget it."""
    row = await _of_resource(session, resource_id)
    if row is None:
        return
    await declare_absent(session, api, row.id)
    await session.delete(row)


async def _of_resource(session: AsyncSession, resource_id: str) -> PlatformCredential | None:
    query = select(PlatformCredential).where(col(PlatformCredential.resource_id) == resource_id)
    return (await session.exec(query)).one_or_none()
