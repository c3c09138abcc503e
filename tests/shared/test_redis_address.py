import ssl

import pytest
from pydantic import ValidationError

from shared.queue import make_celery
from shared.redis_address import FORMS, sentinels_of
from shared.settings import Settings


def test_one_server_is_not_behind_sentinels() -> None:
    for url in ("redis://h:1/2", "rediss://:p@h/0", "unix:///a/b.sock?db=0"):
        assert sentinels_of(url) is None
        Settings(redis_url=url)


def test_all_that_an_address_may_say() -> None:
    behind = sentinels_of(
        "rediss+sentinel://me:p%40w@a,b:7,[::1]:8/3?master=m&sentinel_username=w&sentinel_password=s%2F"
        "&ssl_ca_certs=/ca.pem"
    )
    assert behind is not None
    assert behind.hosts == (("a", 26379), ("b", 7), ("::1", 8))
    assert behind.master == "m"
    tls = {"ssl": True, "ssl_ca_certs": "/ca.pem"}
    assert behind.server == {"db": 3, "username": "me", "password": "p@w"} | tls
    assert behind.own == {"username": "w", "password": "s/"} | tls
    assert "p@w" not in repr(behind)


def test_how_celery_is_told() -> None:
    celery = make_celery(Settings(redis_url="rediss+sentinel://:p%40w@a,b:7/3?master=m&ssl_ca_certs=/ca.pem"))
    assert celery.conf.broker_url == "sentinel://:p%40w@a:26379/3;sentinel://:p%40w@b:7/3"
    assert celery.conf.broker_use_ssl == {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_ca_certs": "/ca.pem"}
    options = celery.conf.broker_transport_options
    assert options["master_name"] == "m"
    assert options["sentinel_kwargs"]["ssl"] is True
    assert options["socket_timeout"] == 5


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis+sentinel://:hush@a/0", "master"),
        ("redis+sentinel://:hush@/0?master=m", "hosts"),
        ("redis+sentinel://:hush@a,/0?master=m", "hosts"),
        ("redis+sentinel://:hush@a/x?master=m", "number"),
        ("redis+sentinel://:hush@a:port/0?master=m", "ort"),
        ("redis+sentinel://:hush@a/0?master=m&tls=1", "unknown parameter: tls"),
        ("redis+sentinel://:hush@a/0?master=m&ssl_ca_certs=/ca.pem", "rediss"),
    ],
)
def test_what_is_wrong_is_told_without_the_password(url: str, told: str) -> None:
    with pytest.raises(ValidationError, match=told) as caught:
        Settings(redis_url=url)
    assert "hush" not in str(caught.value)


def test_the_forms_that_are_advised_are_understood() -> None:
    assert sentinels_of("redis+sentinel://:PASSWORD@HOST:26379,HOST:26379/0?master=NAME") is not None
    assert "redis+sentinel://:PASSWORD@HOST:26379,HOST:26379/0?master=NAME" in FORMS
