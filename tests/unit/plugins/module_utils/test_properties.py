# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pure core of flashphoner_properties: tables, the corpus, and round trips against a second reader."""

from __future__ import annotations

import string

import pytest
import yaml
from ansible_collections.webcallserver.balancer.plugins.module_utils._properties import (
    HEADING,
    MASK,
    PropertiesError,
    hidden,
    load,
    masked,
    merge,
    pending,
    refuse_foreign,
    texts,
)
from ansible_collections.webcallserver.balancer.tests.support import paths
from ansible_collections.webcallserver.balancer.tests.support.java_properties import Malformed, logical_lines, mapping
from hypothesis import example, given, settings
from hypothesis import strategies as st

CORPUS = yaml.safe_load(paths.CORPUS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("nasty", CORPUS, ids=lambda nasty: nasty["name"])
def test_corpus(nasty):
    before, wanted, after = nasty["before"].encode("latin-1"), texts(nasty["wanted"]), nasty["after"].encode("latin-1")
    assert merge(before, wanted) == after
    assert merge(after, wanted) == after
    assert mapping(after) == load(after) == {key: value for key, value in {**mapping(before), **wanted}.items() if value is not None}
    assert [key for key in wanted if load(before).get(key) != load(after).get(key)] == nasty.get("changed_keys", list(wanted))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"a=b", {"a": "b"}),
        (b"a : b", {"a": "b"}),
        (b"a b c", {"a": "b c"}),
        (b"a = = b", {"a": "= b"}),
        (b"a == b", {"a": "= b"}),
        (b"  a=b  ", {"a": "b  "}),
        (b"=b", {"": "b"}),
        (b"a", {"a": ""}),
        (b"a\\ b=c", {"a b": "c"}),
        (b"a\\=b=c", {"a=b": "c"}),
        (b"\\#a=\\#", {"#a": "#"}),
        (b"a=\\t\\n\\r\\f\\b\\q\\\\", {"a": "\t\n\r\fbq\\"}),
        (b"a=\\u0041\\u00e9\\u20AC", {"a": "Aé€"}),
        (b"a=\\uD83D\\uDE00", {"a": "😀"}),
        (b"a=\\uD83D", {"a": "\ud83d"}),
        (b"a=\\\\u0041", {"a": "\\u0041"}),
        (b"a=1\\\n 2\\\r\n\t3\\\r4", {"a": "1234"}),
        (b"a\\\n  b\\\n =c", {"ab": "c"}),
        (b"a=1\\\n\nb=2", {"a": "1", "b": "2"}),
        (b"a=1\\\\\nb=2", {"a": "1\\", "b": "2"}),
        (b"a=1\rb=2\r\nc=3\nd=4", {"a": "1", "b": "2", "c": "3", "d": "4"}),
        (b"a=1\na=2", {"a": "2"}),
        (b"#a=1\n !b=2\n\t# c", {}),
        (b"\\\n#a=1\nb=2", {"b": "2"}),
        (b"a=\xe9\xc3\xa9", {"a": "éÃ©"}),
        (b"", {}),
    ],
)
def test_load(line, expected):
    assert load(line) == mapping(line) == expected


@pytest.mark.parametrize(("data", "number"), [(b"a=\\u", 1), (b"a=1\r\n\r\nb=\\u12", 3), (b"a=1\rb=2\\\rc\rd\\uXYZW=1\n", 4), (b"# \\u\na=\\uu0041", 2)])
def test_a_malformed_escape_is_named_with_its_line(data, number):
    with pytest.raises(PropertiesError, match=f"^line {number} has a .u without four hexadecimal digits"):
        merge(data, {"b": "1"})


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, "true"), (False, "false"), (8080, "8080"), (-1, "-1"), (0.5, "0.5"), ("", ""), ("True", "True"), (" 080 ", " 080 "), (None, None)],
)
def test_values_are_written_as_wcs_writes_them(value, expected):
    assert texts({"key": value}) == {"key": expected}


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"ws.ports": [8080]}, "the value wanted for ws.ports is a list: give text, a number or a boolean, or null to remove the key."),
        ({"ws": {"port": 8080}}, "the value wanted for ws is a dict: give text, a number or a boolean, or null to remove the key."),
        ({"a": "caf\udce9"}, "the property a or the value wanted for it is not text in UTF-8."),
        ({"caf\udce9": 1}, "the property caf\\udce9 or the value wanted for it is not text in UTF-8."),
        ({"": 1}, "one of the wanted properties has an empty name."),
    ],
)
def test_a_mapping_that_no_file_can_hold(properties, message):
    with pytest.raises(PropertiesError) as problem:
        texts(properties)
    assert str(problem.value) == message


SECRETS = [
    "db.password", "PASSWD", "rtsp_pwd", "rest.secret", "auth_token", "tokens", "apiKey", "api_key", "aws.keys[0]", "private.key", "passphrase",
    "ldap.pass", "credentials", "keystorePass", "keyStorePass", "keystore.pass", "trustStorePassword", "javax.net.ssl.keyStorePassword", "dbpassword",
    "DB_PASS", "userPwd", "ADMINPASSWORD", "APIKey", "accesskey", "accessKeyId2.key", "s3SecretKey", "secretkey", "signing-key", "hmacKey",
    "licence.key", "turn.psk", "jwt", "bearer", "sip.pin", "otp-seed.otp", "authToken", "AUTHTOKEN", "refreshtoken", "clientSecret",
    "oauth2_client_secret", "credentialsJson", "wss.keystore.password", "wss.cert.password", "password1", "pass2", "rtmp.pass.word", "key.password",
    "bindpw", "rootpw", "ldap.bindpw", "rest.cred", "psks", "authorization", "pincode", "hash.salt", "streamKey", "stream_key", "passcode",
]  # fmt: skip
ORDINARY = [
    "keep_alive.algorithm", "ws.port", "keyframe_interval", "bypass_proxy", "keystore_type", "passive_mode", "monkey", "monkeyPatch", "donkeys",
    "turkey", "hotkey", "keypad", "keyboard", "compass", "passage", "passenger", "passthrough", "bypass", "lowpass", "overpass", "spinner", "pinned",
    "pipeline.pins", "key_frame_interval", "key.length", "keyAlias", "key_store", "key.usage", "keyExchange", "keyFile", "keystore.path", "keepAlive",
    "keynote", "whiskey", "hockey", "tokenizer", "secretary", "salted", "opinion", "ws.map_custom_headers", "media_port_from", "cdn_ip", "codecs",
    "user_agent", "author.name", "compassion", "encompass",
]  # fmt: skip


@pytest.mark.parametrize("key", SECRETS)
def test_secret_names(key):
    assert hidden({key: "hunter2"}) == {key: MASK}
    assert hidden({key: 1234, key + ".absent": None}) == {key: MASK, key + ".absent": None}


@pytest.mark.parametrize("key", ORDINARY)
def test_ordinary_names(key):
    assert hidden({key: "x"}) == {key: "x"}


def test_what_is_shown_is_text():
    assert hidden({"a": "\ud800é😀", "\udce9": True}) == {"a": "\\ud800é😀", "\\udce9": True}


HOLDING_SECRETS = [
    "url=rtsp://user:hunter2@cam/1", "opts=-Dx=1 -Dstore.password=hunter2", "# old password: hunter2", "#db.password = hunter2",
    "db.secret = hunter2\\\n hunter2", "db.secret hunter2", "! rtsp://u:hunter2@cam", "db\\u002Epassword=hunter2", "#keystorePass=hunter2",
    "url=jdbc:x://h/db?user=a&keyStorePass=hunter2", "header=Authorization: Bearer hunter2hunter2", "# eyJhbGciOi.hunter2hunter2",
    'json={"password":"hunter2"}', "json={'apiKey' : 'hunter2'}", "url=https://hunter2@git/x", "url=amqp://u:" + "q" * 250 + "hunter2@h",
    "header=Authorization: Basic hunter2hunter2", "h=BASIC hunter2hunter2", "# BEARER hunter2hunter2", "url=https://s3/x?X-Amz-Signature=hunter2",
    "pem=-----BEGIN RSA PRIVATE KEY----- hunter2",
]  # fmt: skip


@pytest.mark.parametrize("line", HOLDING_SECRETS)
def test_no_secret_is_shown(line):
    data = f"a=1\n{line}\nz=1\n".encode()
    assert b"hunter2" in data
    shown = masked(data)
    assert "hunter2" not in shown and MASK in shown
    assert shown.startswith("a=1\n") and shown.endswith("\nz=1\n")


def test_a_changed_secret_can_be_seen_to_change():
    assert masked(b"db.password = x\nb.password=y\n", ["db.password"]) == f"db.password = {MASK} (changed)\nb.password={MASK}\n"


@pytest.mark.parametrize(("data", "shown"), [("a=é\n".encode(), "a=é\n"), ("a=é\n".encode("latin-1"), "a=é\n"), (b"a=\xff\xfe", "a=ÿþ")])
def test_shown_text_is_readable(data, shown):
    assert masked(data) == shown


def test_long_lines_take_no_long_time():
    long = b"key" * 100_000
    data = b"a=" + long + b"\n#" + long + b"\nb=" + b"\\" * 100_000 + b"\n"
    assert merge(data, {"a": "1"}).startswith(b"a=1\n#key")
    assert MASK not in masked(data)


PIECES = ["\\", "\\\\", "=", ":", " ", "\t", "\f", "\r", "\n", "\r\n", "#", "!", "a", "b", "a=", "#a=", "\\u0041", "\xe9", "\\\n", HEADING + "\n"]
FILES = st.lists(st.sampled_from(PIECES), max_size=40).map(lambda pieces: "".join(pieces).encode("latin-1"))
TEXTS = st.text(st.sampled_from(string.printable + "é日😀\x00\ud800"), max_size=8)
# A busy machine is no defect, and every run tests the same.
PATIENT = settings(deadline=None, derandomize=True, max_examples=300)
WANTED = st.dictionaries(st.sampled_from(["a", "b", "ab", "é", "=", "#a"]) | TEXTS.filter(bool), st.none() | TEXTS, max_size=4)


@PATIENT
@given(FILES, WANTED)
@example(b"a=1\\", {"z": "1"})
def test_round_trip(data, wanted):
    output = merge(data, wanted)
    expected = {key: value for key, value in {**mapping(data), **wanted}.items() if value is not None}
    assert load(output) == mapping(output) == expected
    assert merge(output, wanted) == output
    # Without their ends: the last line may have to be ended, and where a line between CR and LF goes, these two become one end.
    remaining = iter([raw.rstrip(b"\r\n") for raw, _key, _value in logical_lines(output)])
    assert all(raw.rstrip(b"\r\n") in remaining for raw, key, _value in logical_lines(data) if key not in wanted and raw.strip(b"\r\n"))


@PATIENT
@given(FILES)
def test_nothing_wanted_nothing_changed(data):
    assert merge(data, {}) == data
    keys = [key for _raw, key, _value in logical_lines(data)]
    assert merge(data, {key: value for key, value in load(data).items() if keys.count(key) == 1}) == data


@PATIENT
@given(st.binary(max_size=60))
def test_any_bytes(data):
    try:
        expected = mapping(data)
    except Malformed:
        with pytest.raises(PropertiesError):
            load(data)
    else:
        assert load(data) == expected
        assert load(merge(data, {"ws.port": "8080"})) == {**expected, "ws.port": "8080"}


@PATIENT
@given(WANTED)
def test_what_is_written_is_ascii(wanted):
    written = merge(b"", wanted)
    assert written.isascii()
    assert mapping(written) == {key: value for key, value in wanted.items() if value is not None}


FOREIGN = {
    "options of the JVM": (b"-Xmx1024M\n-Djava.net.preferIPv4Stack=true\n", "options of the Java virtual machine (-Xmx1024M)"),
    "an option behind comments": (b"# heap\n\n  -XX:+UseG1GC\n", "options of the Java virtual machine (-XX)"),
    "an agent of the JVM": (b"-javaagent:/opt/jmx.jar=7777:/opt/jmx.yml\n", "options of the Java virtual machine (-javaagent)"),
    "XML": (b'<?xml version="1.0"?>\n<loadbalancer/>\n', "XML"),
    "XML without a declaration": (b"\n\n<log4j:configuration/>", "XML"),
    "XML behind a mark": (b"\xef\xbb\xbf<properties>", "XML"),
    "HTML": (b"<!DOCTYPE html>", "XML"),
    "JSON": (b' {"ws.port": 8080}', "JSON"),
    "a list in JSON": (b'[{"a": 1}]', "JSON"),
    "YAML with a type": (b"# users\n!!com.example.Database\nusers: []\n", "YAML"),
    "YAML behind a comment": (b"# c\n---\na: 1\n", "YAML"),
    "a unit of systemd": (b"# WCS\n[Unit]\nDescription=WCS\n", "a unit of systemd"),
    "exports of a shell": (b"# limits\nexport WCS_FD_LIMIT=20000\n", "a script of a shell"),
    "YAML": (b"---\nws.port: 8080\n", "YAML"),
    "a keystore": (b"\xfe\xed\xfe\xed\x00\x00\x00\x02", "keystore"),
    "a keystore of PKCS #12": (b"\x30\x82\x0a\x01\x02", "keystore"),
    "a certificate": (b"-----BEGIN CERTIFICATE-----\nMIIB", "certificate"),
    "an archive": (b"PK\x03\x04\x14", "archive"),
    "a compressed file": (b"\x1f\x8b\x08", "archive"),
    "a program": (b"\x7fELF\x02", "program"),
    "a script": (b"#!/bin/sh\nWCS_FD_LIMIT=20000\n", "program"),
    "UTF-16": ("ws.port=8080\n".encode("utf-16"), "UTF-16"),
    "UTF-16, the other way round": (b"\xfe\xff" + "ws.port=8080\n".encode("utf-16-be"), "UTF-16"),
    "UTF-16 without a mark": ("ws.port=8080\n".encode("utf-16-le"), "UTF-16"),
}


@pytest.mark.parametrize(("data", "says"), FOREIGN.values(), ids=FOREIGN)
def test_what_only_looks_like_properties_is_refused(data, says):
    with pytest.raises(PropertiesError) as problem:
        refuse_foreign(data, {})
    assert says in str(problem.value) and "\n" not in str(problem.value) and str(problem.value).endswith(".")


@pytest.mark.parametrize("key", ["-Xmx2048M", "-Djava.net.preferIPv4Stack", "-XX:MaxMetaspaceSize", "-server", "-verbose:gc"])
def test_an_option_of_the_jvm_is_no_property(key):
    with pytest.raises(PropertiesError, match=r"belongs into conf/wcs-core\.properties"):
        refuse_foreign(b"a=1\n", {"ws.port": "8080", key: "true"})


@pytest.mark.parametrize("nasty", CORPUS, ids=lambda nasty: nasty["name"])
def test_what_is_properties_is_not_refused(nasty):
    refuse_foreign(nasty["before"].encode("latin-1"), texts(nasty["wanted"]))


@pytest.mark.parametrize(
    ("started_on", "keys"),
    [
        (b"a=1\nb=2\n", []),
        (b"b : 2\na=0\na\\\n = 1\nz=9\n", []),
        (b"a=1\nb=3\n", ["b"]),
        (b"b=2\n", ["a"]),
        (b"a=1\nb=2\ngone=\n", ["gone"]),
        (None, ["a", "b", "gone"]),
    ],
)
def test_what_a_server_has_not_read(started_on, keys):
    assert pending(None if started_on is None else load(started_on), {"a": "1", "b": "2", "gone": None}) == keys
