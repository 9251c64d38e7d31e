"""Bearer tokens as a way to sign in to the programming interface."""

from __future__ import annotations

from django.contrib.auth.models import User
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from catalog import access
from catalog.errors import TokenExpired, TokenRevoked, TokenUnknown
from catalog.models import AccessToken

TOKEN_MAX = 200


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer TOKEN`; a token anywhere else (address, body, cookie) is not looked at."""

    def authenticate(self, request: Request) -> tuple[User, AccessToken] | None:
        """The token's user and the token; None without one; a bad one is 401 even on open pages."""
        words = get_authorization_header(request).split()
        if not words or words[0].lower() != b"bearer":
            return None
        try:
            if len(words) != 2 or len(words[1]) > TOKEN_MAX:
                raise TokenUnknown("The Authorization header is not of the form `Bearer TOKEN`.")
            token = access.find(words[1].decode("ascii", "replace"))
        except (TokenUnknown, TokenExpired, TokenRevoked) as error:
            # DRF knows 401 by its own exception; the cause carries our code and next step.
            raise AuthenticationFailed(error.message, error.code) from error
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """RFC 6750, section 3."""
        return 'Bearer realm="kura"'
