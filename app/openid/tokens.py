"""Verifies ID tokens: who signed them, for whom, when, and for which sign-in. PyJWT is imported at the first one."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from app.openid.claims import subject_of

if TYPE_CHECKING:
    from jwt import PyJWK

MAX_TOKEN_CHARS: Final = 100_000
LEEWAY_SECONDS: Final = 60
"""By how much the provider's clock may differ from ours."""
KEYLESS_TRIES: Final = 5
"""Keys that are tried for a token that names none."""
REQUIRED: Final = ("iss", "sub", "aud", "exp", "iat")


class TokenRefused(Exception):
    """Raised for a token that isn't what it should be; the text says why, without anything of the token."""


class UnknownKey(TokenRefused):
    """Raised for a token whose key isn't known: the provider may have changed its keys."""


@dataclass(frozen=True, slots=True, repr=False)
class TokenExpectations:
    """The claims that a token must have. `secret`: the client's, for the HS algorithms where they are allowed."""

    issuer: str
    client_id: str
    nonce: str
    algorithms: Collection[str]
    secret: str | None


def verify(token: str, keys: Sequence[Mapping[str, Any]], expected: TokenExpectations) -> Mapping[str, Any]:
    """Return a token's claims. TokenRefused says what is wrong; UnknownKey: keys must be read anew. Blocks: run it in a thread."""
    import jwt

    if len(token) > MAX_TOKEN_CHARS:
        raise TokenRefused("the token is too large")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise TokenRefused("the token is malformed") from None
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in expected.algorithms:
        raise TokenRefused("its signature algorithm isn't allowed (openid.algorithms)")
    refusal = TokenRefused("its signature is wrong")
    for key in _candidates(header.get("kid"), algorithm, keys, expected):
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=expected.client_id,
                issuer=expected.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": list(REQUIRED), "enforce_minimum_key_length": True},
            )
        except jwt.InvalidSignatureError:
            continue
        except jwt.PyJWTError as error:
            raise TokenRefused(_reason(error)) from None
        _check_claims(claims, expected)
        return claims
    raise refusal


def _candidates(kid: object, algorithm: str, keys: Sequence[Mapping[str, Any]], expected: TokenExpectations) -> list[PyJWK | str]:
    """Return the keys that may have signed: of a shared secret that alone, else the published ones of the algorithm's own kind."""
    import jwt

    if algorithm.startswith("HS"):
        return [expected.secret or ""]
    named = [each for each in keys if kid is None or each.get("kid") == kid]
    usable = [each for each in named if each.get("alg", algorithm) == algorithm]
    found: list[PyJWK | str] = []
    for each in usable[:KEYLESS_TRIES]:
        try:
            found.append(jwt.PyJWK(dict(each), algorithm))
        except jwt.PyJWTError:
            continue  # of another kind than the algorithm's
    if not found:
        raise UnknownKey("its key isn't among those that the provider publishes")
    return found


def _check_claims(claims: Mapping[str, Any], expected: TokenExpectations) -> None:
    """Check what PyJWT doesn't: the nonce, the authorized party, the subject."""
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode("utf-8", "replace"), expected.nonce.encode()):
        raise TokenRefused("it was made for another sign-in (nonce)")
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", None if several else expected.client_id) != expected.client_id:
        raise TokenRefused("it was made for another client (azp)")
    if subject_of(claims) is None:
        raise TokenRefused("it names nobody (sub)")


def _reason(error: Exception) -> str:
    """Return why PyJWT refused a token, in our words: its own may repeat what the token says."""
    import jwt

    reasons: tuple[tuple[type[Exception], str], ...] = (
        (jwt.ExpiredSignatureError, "it has expired (exp): are both clocks right?"),
        (jwt.ImmatureSignatureError, "it is from the future (iat, nbf): are both clocks right?"),
        (jwt.InvalidAudienceError, "it was made for another client (aud)"),
        (jwt.InvalidIssuerError, "it is of another issuer (iss)"),
        (jwt.MissingRequiredClaimError, f"it lacks one of {', '.join(REQUIRED)}"),
        (jwt.InvalidKeyError, "its key is too short"),
    )
    return next((text for kind, text in reasons if isinstance(error, kind)), "it is malformed")
