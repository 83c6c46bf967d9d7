"""One API token with every refresh token that was given for it, for tests of refreshing."""

from dataclasses import dataclass, field

from sqlmodel import col, select

from cassini.runtime.errors import CallerError, Unauthenticated
from services.api.auth.authentication import caller_of_token
from services.api.auth.models import ApiToken, RefreshToken
from services.api.auth.refresh_tokens import issue, refresh
from services.api.auth.tokens import mint_token

FIRST = "first"


@dataclass
class Family:
    """One API token, and every refresh token that was given for it, by the names of a case."""

    api: object
    token_id: str
    texts: dict[str, str] = field(default_factory=dict)
    access: dict[str, str] = field(default_factory=dict)

    async def use(self, shown, gives):
        """Show a refresh token; returns None, or the code of the refusal."""
        try:
            pair = await refresh(self.api, self.texts[shown])
        except CallerError as error:
            return error.code
        self.texts[gives], self.access[gives] = pair.refresh_text, pair.access_text
        return None

    async def live(self):
        """Return the rows that could be used now."""
        async with self.api.database.read() as session:
            token = await session.get(ApiToken, self.token_id)
            rows = await session.exec(
                select(RefreshToken).where(
                    col(RefreshToken.token_id) == self.token_id,
                    col(RefreshToken.used_at).is_(None),
                    col(RefreshToken.replaced_at).is_(None),
                )
            )
            return [] if token.revoked_at is not None else rows.all()

    async def revoked(self):
        async with self.api.database.read() as session:
            return (await session.get(ApiToken, self.token_id)).revoked_at is not None

    async def may_call(self, access_text):
        """Whether an access text counts."""
        now = self.api.clock.now()
        async with self.api.database.read() as session:
            try:
                await caller_of_token(session, self.api.keys, access_text, now=now)
            except Unauthenticated:
                return False
        return True


async def new_family(api, user_id, **lives):
    now = api.clock.now()
    async with api.database.write() as session:
        row, access = await mint_token(session, api.keys, now=now, user_id=user_id, **lives)
        await session.flush()
        _, text = issue(session, api.keys, row, now=now)
    return Family(api, row.id, {FIRST: text}, {FIRST: access})
