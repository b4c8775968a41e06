"""Tokens that no service would make, signed with the service's own secrets."""

import base64
import hashlib
import hmac
import json
import sqlite3
import time
import uuid
from pathlib import Path

HOUR = 3600


def secrets(data: Path) -> dict[str, str]:
    """The signing key and the salt of a service."""
    lines = (data / "secrets.env").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines)
    start = "DATAHUB_TOKEN_SERVICE_"
    return {name.removeprefix(start): value for name, value in values.items()}


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def expired_token(data: Path, actor: str) -> str:
    """A token of this actor that was good until an hour ago, and its record in the store."""
    ended = int(time.time()) - HOUR
    name = actor.removeprefix("urn:li:corpuser:")
    claims = {
        "actorType": "USER",
        "actorId": name,
        "type": "PERSONAL",
        "version": "2",
        "jti": str(uuid.uuid4()),
        "sub": name,
        "exp": ended,
        "iss": "datahub-metadata-service",
    }
    payload = json.dumps(claims, separators=(",", ":")).encode()
    signed = _base64url(b'{"alg":"HS256"}') + "." + _base64url(payload)
    key, salt = secrets(data)["SIGNING_KEY"].encode(), secrets(data)["SALT"].encode()
    token = signed + "." + _base64url(hmac.digest(key, signed.encode(), "sha256"))
    digest = hashlib.sha256(token.encode() + salt).digest()
    created = (ended - HOUR) * 1000
    store = sqlite3.connect(data / "tower-pat.db", timeout=10)
    try:
        with store:
            store.execute(
                "INSERT INTO tokens (id, name, actor, owner, created_at, expires_at, token_type)"
                " VALUES (?, 'expired', ?, ?, ?, ?, 'PERSONAL')",
                (digest, actor, actor, created, ended * 1000),
            )
    finally:
        store.close()
    return token
