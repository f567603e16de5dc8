"""Why somebody is not let in.

NotAuthenticated (401)          who is it?
    TokenMissing                no token was shown
    TokenInvalid                none of ours, changed, signed by somebody else, or for somebody else
    TokenExpired
    TokenRevoked
Forbidden (403)                 known, but not allowed
    RoleTooLow
    ForgedForm                  a form of the console that is of another page
    WrongSaga                   the role is for other sagas
WrongHost (421)                 an open server is asked under a name that is not of this machine
KeysUnavailable (503)           the issuer of JWTs is away, and was from the start
"""


class NotAuthenticated(Exception):
    """Nobody known. The message never repeats what was shown."""


class TokenMissing(NotAuthenticated):
    """Show a token: `Authorization: Bearer …`."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class TokenInvalid(NotAuthenticated):
    """This is no token that is known here."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class TokenExpired(NotAuthenticated):
    """The token has expired; ask for a new one."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class TokenRevoked(NotAuthenticated):
    """The token was revoked."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class KeysUnavailable(Exception):
    """The keys of the OIDC issuer were never fetched: nobody can be judged by them."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class Forbidden(Exception):
    """Known, but not allowed."""


class RoleTooLow(Forbidden):
    """The role does not allow it; the message says which one does."""


class ForgedForm(Forbidden):
    """A form of the console did not come from a page of it."""


class WrongSaga(Forbidden):
    """The role is limited to other sagas."""


class WrongHost(Exception):
    """A server without tokens answers to `localhost` and the addresses of its own machine only: another
    name may be the way of somebody's web page to it. Make a token, and any name will do."""

    def __init__(self) -> None:
        super().__init__(" ".join(str(self.__doc__).split()))
