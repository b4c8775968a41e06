"""Who calls: one with a good token, and all those whom the service refuses."""

import time
from dataclasses import dataclass

from service import ROOT, Service
from tokens import expired_token


@dataclass(frozen=True)
class Caller:
    """Somebody with or without a token, and what the service has to say to them."""

    name: str
    token: str | None
    # The status of a refused write, and the words that its message must have.
    status: int
    words: str

    @property
    def reason(self) -> str:
        """The words that HTTP has for the status."""
        return {401: "Unauthorized", 403: "Forbidden"}[self.status]


UNKNOWN = ("missing", "malformed", "expired", "revoked", "suspended")
READER = "reader"


def make(service: Service) -> dict[str, Caller]:
    """All callers by name. Those in `UNKNOWN` are nobody to the service; the reader may see
    everything, as all users by the default policies, and write nothing."""
    reader = service.create_user("reader")
    reading, _ = service.create_token(reader, "reading")
    revoked, revoked_id = service.create_token(ROOT, "revoked")
    service.revoke_token(revoked_id)
    revoked_at = time.monotonic()
    gone = service.create_user("gone")
    suspended, _ = service.create_token(gone, "suspended")
    service.suspend(gone)
    suspended_at = time.monotonic()
    service.wait_until_refused(revoked, revoked_at)
    service.wait_until_refused(suspended, suspended_at)
    callers = [
        Caller("missing", None, 401, "no bearer token"),
        Caller("malformed", "not-a-token", 401, "token not accepted"),
        Caller("expired", expired_token(service.data, ROOT), 401, "expired"),
        Caller("revoked", revoked, 401, "revoked"),
        Caller("suspended", suspended, 401, "suspended"),
        Caller(READER, reading, 403, "urn:li:corpuser:reader"),
    ]
    return {caller.name: caller for caller in callers}
