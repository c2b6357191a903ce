# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What java.util.Properties itself loads before and after the collection has changed a file (needs Java 11 or newer)."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import yaml
from ansible_collections.webcallserver.balancer.plugins.module_utils._properties import HEADING, PropertiesError, load, merge, texts
from ansible_collections.webcallserver.balancer.tests.integration.java.generator import case
from ansible_collections.webcallserver.balancer.tests.support import paths
from ansible_collections.webcallserver.balancer.tests.support.java_properties import Malformed
from ansible_collections.webcallserver.balancer.tests.support.java_properties import logical_lines as slow_logical_lines

logical_lines = cache(slow_logical_lines)

CASES = 5000
CORPUS = yaml.safe_load(paths.CORPUS.read_text(encoding="utf-8"))
MALFORMED = (rb"a=\u", rb"a=\u12", rb"a=\u12g4", rb"\uu0041=a", b"a=\\u00\\\n4", rb"a\u 0041=b")
HARMLESS = (rb"#\u", rb"!\uzzzz", rb"a=\U0041", rb"a=\\u00", b"a=\\u00\\\n  41")
LONE_BACKSLASH = b"a=b\n\\"


def loaded_by_java(files: list[bytes], directory: Path) -> list[tuple[dict | None, dict | None]]:
    """What Java loads from each file, as bytes and as UTF-8; None if it refuses the file. One Java machine reads them all."""
    java = shutil.which("java")
    assert java, "Install a Java development kit to run this test, for example the package openjdk-17-jdk-headless or default-jdk-headless."
    questions, answers = directory / "questions", directory / "answers"
    questions.write_bytes(b"\n".join(base64.b64encode(data) for data in files) + b"\n")
    subprocess.run([java, str(Path(__file__).with_name("Loader.java")), str(questions), str(answers)], check=True, timeout=60)
    loaded = [tuple(decoded(answer) for answer in line.split("\t")) for line in answers.read_text().splitlines()]
    assert len(loaded) == len(files)
    return loaded


def decoded(answer: str) -> dict[str, str] | None:
    if answer == "malformed":
        return None
    pairs = [pair.split(":") for pair in answer.split(",") if pair]
    return {utf16(key): utf16(value) for key, value in pairs}


def utf16(encoded: str) -> str:
    return base64.b64decode(encoded).decode("utf-16-be", "surrogatepass")


def mapping(data: bytes) -> dict[str, str]:
    return {key: value for _raw, key, value in logical_lines(data) if key is not None}


def untouched(data: bytes, wanted: dict) -> list[bytes]:
    """The raw lines that a merge of these properties has no business with."""
    return [raw for raw, key, _value in logical_lines(data) if key not in wanted]


@pytest.fixture(name="cases", scope="module")
def fixture_cases():
    """For every case: the file, the properties wanted, the file afterwards."""
    cases = [case(seed) for seed in range(CASES)]
    return [(data, wanted, merge(data, wanted)) for data, wanted in cases]


@pytest.fixture(name="java", scope="module")
def fixture_java(cases, tmp_path_factory):
    """What Java loads from every file, by its content."""
    corpus = [nasty[side].encode("latin-1") for nasty in CORPUS for side in ("before", "after")]
    files = list({*MALFORMED, *HARMLESS, LONE_BACKSLASH, *corpus, *(data for data, *_rest in cases), *(output for *_rest, output in cases)})
    return dict(zip(files, loaded_by_java(files, tmp_path_factory.mktemp("java"))))


@pytest.fixture(name="merged", scope="module")
def fixture_merged(cases, java):
    """All cases, and what Java loads from the file before and afterwards."""
    return [(data, wanted, output, java[data], java[output]) for data, wanted, output in cases]


def test_both_readers_read_what_java_reads(merged):
    for data, _wanted, output, before, after in merged:
        assert load(data) == mapping(data) == before[0], data
        assert load(output) == mapping(output) == after[0], output


def test_java_loads_exactly_what_was_meant(merged):
    for data, wanted, output, before, after in merged:
        meant = {key: value for key, value in {**before[0], **wanted}.items() if value is not None}
        assert after[0] == meant, (data, wanted, output)


def test_what_was_written_means_the_same_in_utf_8(merged):
    for data, wanted, output, before, after in merged:
        written = {key: value for key, value in wanted.items() if key.isascii() and value is not None and before[0].get(key) != value}
        assert {key: after[1].get(key) for key in written} == written, (data, wanted, output)


def test_every_other_line_is_untouched(merged):
    for data, wanted, output, _before, _after in merged:
        before, after = untouched(data, wanted), untouched(output, wanted)
        if HEADING.encode() in output:
            place = [raw.rstrip(b"\r\n") for raw in after].index(HEADING.encode())
            del after[place]
            if place and len(after) > len(before):
                assert not after.pop(place - 1).strip(), (data, wanted, output)
        if before and after and before[-1] != after[-1]:
            # The last line had no end, and others follow it now.
            assert not data.endswith((b"\r", b"\n")) or before[-1].rstrip(b"\r\n").endswith(b"\\"), (data, wanted, output)
            assert after[-1].rstrip(b"\r\n") == before[-1].rstrip(b"\r\n"), (data, wanted, output)
            before.pop()
            after.pop()
        assert before == after, (data, wanted, output)


def test_nothing_is_left_to_do_afterwards(merged):
    for data, wanted, output, before, _after in merged:
        assert merge(output, wanted) == output, (data, wanted, output)
        keys = Counter(key for _raw, key, _value in logical_lines(data))
        if all(before[0].get(key) == value and keys[key] <= 1 for key, value in wanted.items()):
            assert output == data, (data, wanted, output)
        keys = Counter(key for _raw, key, _value in logical_lines(output))
        assert all(keys[key] <= 1 for key in wanted), (data, wanted, output)


def test_the_generator_covers_what_it_is_for(merged):
    files = [data for data, *_rest in merged]
    assert len(set(files)) > CASES * 0.9
    for feature, least in {b"\\\n": 500, b"\\\r\n": 300, b"\\u": 2000, b"\f": 500, b"#": 2000, b"\xe9": 500, b" : ": 300}.items():
        assert sum(feature in data for data in files) > least, feature
    assert sum(len(logical_lines(data)) - len(untouched(data, wanted)) > len(wanted) for data, wanted, *_rest in merged) > 100


@pytest.mark.parametrize("nasty", CORPUS, ids=lambda nasty: nasty["name"])
def test_the_corpus_means_what_it_says(java, nasty):
    before, after = (java[nasty[side].encode("latin-1")][0] for side in ("before", "after"))
    assert after == {key: value for key, value in {**before, **texts(nasty["wanted"])}.items() if value is not None}


def test_both_refuse_the_same_unicode_escapes(java):
    for data in MALFORMED:
        assert java[data] == (None, None), data
        with pytest.raises(PropertiesError, match="^line 1 has "):
            load(data)
        with pytest.raises(Malformed):
            mapping(data)
    for data in HARMLESS:
        assert java[data][0] == load(data) == mapping(data), data


def test_the_one_known_difference(java):
    """Of a backslash alone in the last line Java makes a property without name or value. To us it is a blank line."""
    assert java[LONE_BACKSLASH][0] == {"a": "b", "": ""}
    assert load(LONE_BACKSLASH) == mapping(LONE_BACKSLASH) == {"a": "b"}
