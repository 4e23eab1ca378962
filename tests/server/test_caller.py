from __future__ import annotations

import pytest
from radiolucent.server.caller import Caller, identify
from radiolucent.server.errors import InvalidRequest

SECRET = "a secret of enough characters"  # noqa: S105
TLS = {"transport_security_type": [b"ssl"]}


def of(peer: str = "ipv4:10.0.0.7:50123", secret: str | None = None, certificate: bytes | None = None) -> Caller:
    metadata = [("radiolucent-caller", secret)] if secret else []
    return identify(peer, metadata, [certificate] if certificate else None, TLS if certificate else {})


def test_a_client_that_reconnects_from_another_port_is_the_same_caller() -> None:
    assert of("ipv4:10.0.0.7:1") == of("ipv4:10.0.0.7:2")
    assert of("ipv6:[::1]:1") == of("ipv6:[::1]:2")
    assert of("ipv4:10.0.0.7:1") != of("ipv4:10.0.0.8:1")
    assert of("ipv6:[::1]:1") != of("ipv6:[::2]:1")


def test_who_knows_the_secret_is_the_same_caller_wherever_he_calls_from() -> None:
    assert of("ipv4:10.0.0.7:1", SECRET) == of("ipv4:10.0.0.8:2", SECRET)
    assert of(secret=SECRET) != of(secret=SECRET + "!")
    assert of(secret=SECRET) != of()


def test_a_certificate_counts_more_than_a_secret() -> None:
    assert of(secret=SECRET, certificate=b"ward 7") == of(certificate=b"ward 7")
    assert of(secret=SECRET, certificate=b"ward 7") != of(secret=SECRET)


def test_a_secret_that_equals_an_address_or_a_certificate_is_another_caller() -> None:
    address = "ipv4:10.20.30.40"
    assert of(f"{address}:1") != of(secret=address)
    assert of(certificate=SECRET.encode()) != of(secret=SECRET)


def test_a_secret_that_can_be_guessed_is_refused_without_being_quoted() -> None:
    with pytest.raises(InvalidRequest, match="at least 16") as caught:
        of(secret="guess")  # noqa: S106
    assert "guess" not in str(caught.value)


def test_a_caller_shows_nothing_of_what_identifies_it() -> None:
    caller = of(secret=SECRET)
    assert SECRET not in repr(caller) + caller.key
    assert caller.key not in repr(caller)
