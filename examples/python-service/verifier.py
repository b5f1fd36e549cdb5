"""Verifies Postern's access tokens without a call, by the rules of docs/guide/revocations.md."""

import json
import logging
import math
import random
import re
import threading
import time

import grpc
import jwt
from postern.auth.v1 import auth_service_pb2 as auth


logger = logging.getLogger("postern")


class Refused(Exception):
    """The token is invalid: answer 401."""


class Unavailable(Exception):
    """It is unknown whether the token is valid: answer 503."""


class Log:
    """The revocation log, up to a checkpoint."""

    def __init__(self):
        self.entries = {}  # (kind, id) to (sequence, forget_after)
        self.sequence, self.as_of = 0, 0.0
        self.known_at, self.max_staleness = -math.inf, 0.0

    def add(self, entry):
        kind = entry.WhichOneof("target")
        if kind is None:
            raise ValueError("an entry of a kind that this reader does not know")
        self.entries[kind, getattr(entry, kind)] = entry.sequence, seconds(entry.forget_after)

    def reach(self, checkpoint, offset, now):
        self.sequence, self.as_of = checkpoint.sequence, seconds(checkpoint.as_of)
        self.known_at = min(self.as_of + offset, now)
        self.max_staleness = seconds(checkpoint.max_staleness)
        # One hour later than necessary: the database's clock may have been ahead.
        self.entries = {key: entry for key, entry in self.entries.items() if entry[1] + 3600 >= self.as_of}

    def revokes(self, kid, claims):
        ids = ("token_id", claims["jti"]), ("session_id", claims["sid"]), ("key_id", kid)
        cutoffs = ("user_id", claims["sub"]), ("client_id", claims["client_id"]), ("everything", True)
        lost = claims["rev"] > self.sequence and claims["iat"] + 1 <= self.as_of
        return (
            lost
            or any(key in self.entries for key in ids)
            or any(claims["rev"] < self.entries.get(key, (0, 0))[0] for key in cutoffs)
        )


class Clock:
    """Never goes back. Unlike the monotonic clock of many systems, it also counts while the machine is suspended."""

    def __init__(self):
        self._lock = threading.Lock()
        self._apart, self.jumped = time.time() - time.monotonic(), 0.0

    def now(self):
        with self._lock:
            now = time.monotonic()
            lead = time.time() - now - self._apart
            if abs(lead) > 0.5:
                self._apart += lead
                self.jumped += max(0.0, lead)
            return now + self.jumped


class Verifier:
    def __init__(self, target, token, issuer, audience):
        # The library's error about an invalid header would contain the token.
        if not re.fullmatch(r"[!-~]([ -~]*[!-~])?", token):
            raise ValueError("the secret token must be printable ASCII, without spaces or line breaks at the start or end")
        self._clock = Clock()
        self._issuer, self._audience = issuer, audience
        self._metadata = (("authorization", f"Bearer {token}"),)
        # Detects a connection that was lost without a notice.
        options = (
            ("grpc.keepalive_time_ms", 5_000),
            ("grpc.keepalive_timeout_ms", 2_000),
            ("grpc.http2.max_pings_without_data", 0),
        )
        self._watch = grpc.insecure_channel(target, options).unary_stream(
            "/postern.auth.v1.AuthService/WatchRevocations",
            auth.WatchRevocationsRequest.SerializeToString,
            auth.WatchRevocationsResponse.FromString,
        )
        self._keys, self._cursor = {}, ""
        self._log = self._coming = Log()
        threading.Thread(target=self._follow, daemon=True).start()

    def verify(self, token):
        """Returns the claims of a valid token; raises Refused or Unavailable."""
        log, keys = self._log, self._keys
        if not self._clock.now() - log.known_at <= log.max_staleness:
            raise Unavailable("what is known of revocations is too old")
        if len(token) > 8192:
            raise Refused("not an access token")
        try:
            header = jwt.get_unverified_header(token)
            alg, key = keys[header.get("kid")]
            if header.get("typ") != "at+jwt":
                raise Refused("not an access token")
            required = ["exp", "iat", "nbf", "sub", "jti", "sid", "client_id", "rev"]
            claims = jwt.decode(
                token, key, [alg], issuer=self._issuer, audience=self._audience, leeway=10, options={"require": required}
            )
        except (KeyError, RecursionError, jwt.PyJWTError) as error:
            raise Refused("not a good token") from error
        if log.revokes(header["kid"], claims):
            raise Refused("revoked")
        return claims

    def _follow(self):
        failures = 0
        while True:
            try:
                self._read()
                failures = 0
            except grpc.RpcError as error:
                failures += 1
                logger.warning("the revocation stream ended: %s %s", error.code(), error.details())
                if error.code() == grpc.StatusCode.OUT_OF_RANGE:
                    self._cursor = ""
            except Exception as error:
                # A message was not understood, such as an entry of a new kind: stale until the log was read again.
                logger.warning("the revocation stream has an unknown message: %r", error)
                self._log, self._cursor, failures = Log(), "", failures + 1
            time.sleep(random.uniform(0, min(5, 0.5 * 2 ** min(failures, 8))))

    def _read(self):
        if self._cursor == "":
            # The old data stays in use until the first checkpoint of the new stream.
            self._coming = Log()
        called_at, offset = self._clock.now(), None
        jumped = self._clock.jumped
        call = self._watch(auth.WatchRevocationsRequest(cursor=self._cursor), metadata=self._metadata)
        for message in in_time(call, 6):
            if message.HasField("keys"):
                self._keys = read_keys(message.keys.jwks)
            for entry in message.revocations:
                self._coming.add(entry)
            self._cursor = message.cursor
            if message.HasField("checkpoint"):
                # The first checkpoint counts as being as old as the call. This maps the database's time to this clock.
                offset = called_at - seconds(message.checkpoint.as_of) if offset is None else offset
                now = self._clock.now()
                self._coming.reach(message.checkpoint, offset, now)
                self._log = self._coming
                if self._clock.jumped > jumped and now - self._log.known_at > 0.5:
                    # Until it ends, this stream would look older than it is, by the jump of the clock.
                    call.cancel()


def in_time(call, patience):
    """Yields the messages of the call; cancels it after a silence, which raises grpc.RpcError."""
    while True:
        silence = threading.Timer(patience, call.cancel)
        silence.start()
        try:
            message = next(call)
        except StopIteration:
            return
        finally:
            silence.cancel()
        yield message


def read_keys(jwks):
    """Each key with its algorithm, which the token cannot choose."""
    known = [jwk for jwk in json.loads(jwks)["keys"] if jwk.get("alg") in ("ES256", "EdDSA", "RS256")]
    return {jwk["kid"]: (jwk["alg"], jwt.PyJWK(jwk).key) for jwk in known}


def seconds(value):
    return value.seconds + value.nanos / 1e9
