#!/usr/bin/python
# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: websdk_release
short_description: Unpack a WebSDK archive and serve it
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Unpacks the archive of the Web Call Server's browser SDK into a release directory of its own, and switches a symbolic link to it in one step.
  - How many leading directories the archive has is found out; an archive in which C(flashphoner.js) has no directory C(examples/) beside it is refused.
  - An archive is read whole and judged before anything is written. One whose checksum is another, which is incomplete, which is too large,
    or a member of which would leave the release directory, is refused, and the site stays as it was.
  - The archive is judged as it is read, so that no archive of a megabyte takes more than a few seconds, whatever its headers say.
  - Hard and symbolic links are replaced by what they name, so that a release has none. A link that leads out of the release, or in a circle,
    is a reason to refuse the archive; one that leads nowhere is left out.
  - Of a file that comes twice the last one counts, as it does for C(tar), and a path that is two kinds of things is refused. Labels and
    comments of archives are passed over.
  - Owners, modes and times come from this module and not from the archive.
  - An archive that a server compresses once more on its way is taken for what it is, and its checksum is that of the file on the server.
  - Under O(path) lie C(releases/NAME/) and C(wcs), the symbolic link to the release that is served.
extends_documentation_fragment:
  - webcallserver.balancer._attributes
options:
  path:
    description: The directory of the site. It is made when it is missing.
    type: path
    required: true
  src:
    description: The archive, C(.tar.gz), on the host.
    type: path
  url:
    description:
      - Where to download the archive from, an C(https://) or C(http://) address.
      - Nothing is downloaded when a release with the checksum O(sha256) is there already.
      - A user, a password or a query in the address is not shown anywhere.
    type: str
  release:
    description: The name of a release that is kept, to go back to it; see RV(releases).
    type: str
  sha256:
    description:
      - The checksum the archive must have, in hexadecimal.
      - Without it any archive is taken, and it is read at every run to see whether it is another one.
    type: str
  keep:
    description: How many releases are kept, the one that is served included. The oldest are removed.
    type: int
    default: 3
notes:
  - In check mode a missing O(src) counts as one that an earlier task would have brought.
"""

EXAMPLES = r"""
- name: Serve a WebSDK that lies on the host
  webcallserver.balancer.websdk_release:
    path: /srv/wcs-web
    src: /root/flashphoner-websdk-2.0.276.tgz
    sha256: 55246447fa52a4eba24b7cf71d0eab9ffc1a3b85855467e13e1be5c94f696f39

- name: Go back to the one before
  webcallserver.balancer.websdk_release:
    path: /srv/wcs-web
    release: 2.0.206-7d9863ae4de6
"""

RETURN = r"""
release:
  description: The name of the release that is served, its version (as far as the archive tells) and the first digits of its archive's checksum.
  type: str
  returned: success
  sample: 2.0.276-55246447fa52
releases:
  description: The names of all releases that are kept, the newest first.
  type: list
  elements: str
  returned: success
  sample: [2.0.276-55246447fa52, 2.0.206-7d9863ae4de6]
"""

import contextlib
import http.client
import os
import re
import stat
import tempfile
import time
import typing as t
import urllib.error

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import ConnectionError as UrlsError
from ansible.module_utils.urls import open_url

from ..module_utils import _release
from ..module_utils._release import ReleaseError, Site

# A server that is slow is waited for; one that sends a byte now and then is not
SILENCE = 30
LONGEST_DOWNLOAD = 1800
FAILURES = (OSError, ValueError, http.client.HTTPException, UrlsError)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "src": {"type": "path"},
            "url": {"type": "str", "no_log": True},
            "release": {"type": "str"},
            "sha256": {"type": "str"},
            "keep": {"type": "int", "default": 3},
        },
        mutually_exclusive=[("src", "url", "release")],
        required_one_of=[("src", "url", "release")],
        supports_check_mode=True,
    )
    # Whatever the shell had: all that is made here is for nginx to read, and for root alone to write
    os.umask(0o022)
    if module.params["url"] is not None and module.params["url"] == _release.origin(module.params["url"]):
        # Without a secret in it, it may be named
        module.no_log_values.discard(module.params["url"])
    try:
        module.exit_json(**deploy(module))
    except ReleaseError as failure:
        module.fail_json(msg=f"{failure}.")
    except OSError as failure:
        module.fail_json(msg=f"{failure.filename or module.params['path']} cannot be read or written: {failure.strerror}.")


def deploy(module: AnsibleModule) -> dict:
    """Bring the release that is asked for and serve it; return what is to be reported."""
    root, keep = module.params["path"], module.params["keep"]
    if module.params["sha256"] and not re.fullmatch("[0-9A-Fa-f]{64}", module.params["sha256"]):
        raise ReleaseError(f"sha256 is {module.params['sha256']!r}: a SHA-256 has 64 hexadecimal digits")
    if keep < 1:
        raise ReleaseError(f"keep is {keep}: at least one release, the one that is served, is kept")
    if module.check_mode:
        before = _release.survey(root)
        release = bring(module, root, before)
        after, changed = _release.settle(before, release, keep), False
        stale = _release.stale(root, before, after)
    else:
        _release.survey(root)
        changed = prepare(module, root)
        with _release.lock(root):
            before = _release.survey(root)
            release = bring(module, root, before)
            after = _release.settle(before, release, keep)
            if after.current != before.current:
                _release.switch(root, release)
            stale = _release.stale(root, before, after)
            _release.prune(root, stale)
    return {
        "changed": changed or before != after or bool(stale),
        "release": release,
        "releases": list(after.releases),
        "diff": {"before": describe(before), "after": describe(after)},
    }


def prepare(module: AnsibleModule, root: str) -> bool:
    """Make the directories; whether that changed anything."""
    changed = False
    for directory in (root, os.path.join(root, _release.RELEASES)):
        if not os.path.isdir(directory):
            os.makedirs(directory)
            changed = True
        changed = module.set_default_selinux_context(directory, changed)
    return changed


def bring(module: AnsibleModule, root: str, site: Site) -> str:
    """The name of the release that is asked for, unpacked when it is not there yet."""
    wanted, sha256 = module.params["release"], (module.params["sha256"] or "").lower()
    if wanted is not None:
        if wanted not in site.releases:
            raise ReleaseError(f"there is no release {wanted!r} in {root}, there is {', '.join(site.releases) or 'none'}")
        return str(wanted)
    known = _release.find(site.releases, sha256) if sha256 else ""
    if known:
        return known
    if module.check_mode and module.params["src"] and not os.path.exists(module.params["src"]):
        return sha256[: _release.DIGITS]
    with archive(module) as (stream, origin):
        found = _release.checksum(stream)
        if sha256 and found != sha256:
            raise ReleaseError(f"{origin} is refused: its SHA-256 is {found}, not {sha256}")
        known = _release.find(site.releases, found)
        if known:
            return known
        try:
            plan, version = _release.examine(stream)
            release = _release.identity(version, found)
            if not module.check_mode:
                _release.add(root, release, stream, plan)
        except ReleaseError as failure:
            raise ReleaseError(f"{origin} is refused: {failure}") from failure
    return release


@contextlib.contextmanager
def archive(module: AnsibleModule) -> t.Iterator[tuple[t.BinaryIO, str]]:
    """The archive, opened once for all that is done with it, and its name for people."""
    src, url = module.params["src"], module.params["url"]
    if src:
        # Without waiting for the writer of a FIFO, and looked at after it was opened: nobody can put another file in its place
        handle = os.open(src, os.O_RDONLY | os.O_NONBLOCK)
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            os.close(handle)
            raise ReleaseError(f"{src} is not a file")
        with os.fdopen(handle, "rb") as stream:
            if found.st_size > _release.LARGEST_ARCHIVE:
                raise too_large(src)
            yield stream, src
    else:
        origin = _release.origin(url)
        with tempfile.TemporaryFile(dir=module.tmpdir) as stream, tempfile.TemporaryFile(dir=module.tmpdir) as scratch:
            download(url, origin, stream)
            yield _release.unwrap(stream, scratch), origin


def download(url: str, origin: str, stream: t.BinaryIO) -> None:
    """Bring an archive as the server has it, and no more of it than an archive can have."""
    if not re.match("https?://", url, re.IGNORECASE):
        raise ReleaseError(f"{origin} cannot be downloaded: of addresses only https:// and http:// can be used, and src names a file on the host")
    size, deadline = 0, time.monotonic() + LONGEST_DOWNLOAD
    try:
        with open_url(url, timeout=SILENCE, decompress=False, headers={"Accept-Encoding": "gzip"}) as response:
            if response.status != 200:
                raise ReleaseError(f"{origin} cannot be downloaded: the server answers with {response.status}, not with a file")
            length = response.headers.get("Content-Length", "")
            for chunk in iter(lambda: response.read1(_release.CHUNK), b""):
                size += len(chunk)
                if size > _release.LARGEST_ARCHIVE:
                    raise too_large(origin)
                if time.monotonic() > deadline:
                    raise ReleaseError(f"{origin} cannot be downloaded: only {size} bytes came in {LONGEST_DOWNLOAD // 60} minutes")
                stream.write(chunk)
    except urllib.error.HTTPError as answer:
        raise ReleaseError(f"{origin} cannot be downloaded: the server answers with {answer.code}{said(answer.reason, url, origin)}") from answer
    except FAILURES as failure:
        raise ReleaseError(f"{origin} cannot be downloaded{said(getattr(failure, 'reason', failure), url, origin)}") from failure
    if length.isdigit() and int(length) != size:
        raise ReleaseError(f"{origin} did not come whole: {size} of {length} bytes, try again")


def said(words: object, url: str, origin: str) -> str:
    """What a server or a library says, on one line, and without what is secret in an address."""
    plain = str(words).replace(url, origin)
    line = " ".join("".join(character if character.isprintable() else " " for character in plain).split())
    return f": {line[:300].rstrip('.')}" if line else ""


def too_large(name: str) -> ReleaseError:
    return ReleaseError(f"{name} is larger than {_release.LARGEST_ARCHIVE // 1024 // 1024} MiB, which no WebSDK is")


def describe(site: Site) -> str:
    return "".join(f"{'*' if release == site.current else ' '} {release}\n" for release in site.releases)


if __name__ == "__main__":
    main()
