#!/usr/bin/python
# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_info
short_description: Read what HAProxy says of its servers
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Asks a running HAProxy for its statistics (C(show stat)) and returns them, a mapping for each server.
  - After a reload the workers from before it go on with the sessions that they have. HAProxy's statistics are those of the new worker alone; what
    the older ones still hold is asked through the master's socket, and returned beside it.
extends_documentation_fragment:
  - webcallserver.balancer._attributes.info
options:
  socket:
    description: HAProxy's administration socket on the target.
    type: path
    default: /run/haproxy/admin.sock
  backend:
    description: Return the servers of this backend alone. It is an error when there is none of that name.
    type: str
  master_socket:
    description: The socket of HAProxy's master, which knows of the workers from before a reload.
    type: path
    default: /run/haproxy-master.sock
"""

EXAMPLES = r"""
- name: Ask how HAProxy sees the nodes
  webcallserver.balancer.haproxy_info:
    backend: wcs_back
  register: balancer

- name: Show why a node gets no sessions
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.status }}, {{ item.last_agt }}"
  loop: "{{ balancer.servers }}"
  loop_control:
    label: "{{ item.name }}"
"""

RETURN = r"""
servers:
  description:
    - The servers in the order of the configuration. Each has all columns of C(show stat) under HAProxy's own names, those that HAProxy counts in
      as integers and all others as text, columns without a value left out.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the server (HAProxy's C(svname)).
      type: str
      returned: always
    backend:
      description: Name of its backend (HAProxy's C(pxname)).
      type: str
      returned: always
    status:
      description: How HAProxy sees the server.
      type: str
      returned: always
    weight:
      description: Effective weight.
      type: int
      returned: always
    scur:
      description: Sessions now, of the worker that takes new ones.
      type: int
      returned: always
    scur_old:
      description: Sessions of the workers from before a reload.
      type: int
      returned: if the master can be asked
    agent_status:
      description: How the last question to the agent went.
      type: str
      returned: if the server has an agent
    last_agt:
      description: What the agent said last.
      type: str
      returned: if the server has an agent
  sample:
    - {"name": "wcs1", "backend": "wcs_back", "status": "UP", "weight": 100, "scur": 12, "agent_status": "L7OK", "last_agt": "via agent : up"}
old_workers:
  description: The workers from before a reload that still have sessions to end.
  returned: if the master can be asked
  type: list
  elements: dict
  contains:
    pid:
      description: Number of the process.
      type: int
      returned: always
    sessions:
      description: How many sessions its servers have.
      type: int
      returned: always
  sample: [{"pid": 4711, "sessions": 30}]
"""

import re

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._haproxy import SERVER, NoAnswer, ask, rows

# What HAProxy counts in, by its own column names; all else is text, whatever it looks like
COLUMNS = """
    qcur qmax scur smax slim stot bin bout dreq dresp ereq econ eresp wretr wredis weight act bck chkfail chkdown lastchg downtime qlimit pid iid sid
    throttle lbtot type rate rate_lim rate_max check_code check_duration hrsp_1xx hrsp_2xx hrsp_3xx hrsp_4xx hrsp_5xx hrsp_other hanafail req_rate
    req_rate_max req_tot cli_abrt srv_abrt comp_in comp_out comp_byp comp_rsp lastsess qtime ctime rtime ttime agent_code agent_duration check_rise
    check_fall check_health agent_rise agent_fall agent_health conn_rate conn_rate_max conn_tot intercepted dcon dses wrew connect reuse cache_lookups
    cache_hits srv_icur src_ilim qtime_max ctime_max rtime_max ttime_max eint idle_conn_cur safe_conn_cur used_conn_cur need_conn_est uweight
    agg_server_status agg_server_check_status agg_check_status srid sess_other h1sess h2sess h3sess req_other h1req h2req h3req proto_other
    ssl_sess ssl_reused_sess ssl_failed_handshake
"""
NUMBERS = frozenset(COLUMNS.split())
OLD_WORKER = re.compile(r"([0-9]+)\s+worker\b")


def number(text: str) -> int | str:
    """Return the number in a column of numbers."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,20}", text) else text


def servers(statistics: str, backend: str | None = None) -> list[dict[str, int | str]]:
    """Return the servers in the CSV of C(show stat), a mapping each."""
    return [
        {
            "name": row["svname"],
            "backend": row["pxname"],
            **{key: number(value) if key in NUMBERS else value for key, value in row.items() if key and value and isinstance(value, str)},
        }
        for row in rows(statistics)
        if row["type"] == SERVER and backend in (None, row["pxname"])
    ]


def backends(statistics: str) -> list[str]:
    """Return the names of the backends."""
    return [row["pxname"] for row in rows(statistics) if row["svname"] == "BACKEND"]


def old_workers(processes: str) -> list[str]:
    """Return the processes that C(show proc) lists as workers from before a reload."""
    _current, _title, old = processes.partition("# old workers")
    return OLD_WORKER.findall(old.partition("\n# ")[0])


def sessions_before(path: str) -> dict[int, dict[tuple[str, str], int]] | None:
    """Return the sessions of the older workers by process and server, None when the master cannot be asked."""
    try:
        found = {}
        for pid in old_workers(ask(path, "show proc")):
            # A worker may end between the two questions
            answer = ask(path, f"@!{pid} show stat")
            kept = servers(answer) if answer.startswith("# pxname") else []
            found[int(pid)] = {(str(row["backend"]), str(row["name"])): int(row.get("scur", 0)) for row in kept}
        return found
    except (OSError, NoAnswer, ValueError):
        return None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "default": "/run/haproxy/admin.sock"},
            "backend": {"type": "str"},
            "master_socket": {"type": "path", "default": "/run/haproxy-master.sock"},
        },
        supports_check_mode=True,
    )
    path, backend = module.params["socket"], module.params["backend"]
    try:
        statistics = ask(path, "show stat")
        known = backends(statistics)
        found = servers(statistics, backend)
    except OSError as exc:
        module.fail_json(msg=f"HAProxy does not answer on {path} ({exc}): see that it runs, or name its administration socket with 'socket'.")
    except NoAnswer as exc:
        module.fail_json(msg=f"What answers on {path} is not HAProxy's administration socket: {exc}.")
    if backend is not None and backend not in known:
        module.fail_json(msg=f"HAProxy has no backend {backend}; it has {', '.join(known) or 'none'}.")
    before = sessions_before(module.params["master_socket"])
    if before is None:
        module.exit_json(changed=False, servers=found)
        return
    for row in found:
        row["scur_old"] = sum(kept.get((str(row["backend"]), str(row["name"])), 0) for kept in before.values())
    module.exit_json(changed=False, servers=found, old_workers=[{"pid": pid, "sessions": sum(kept.values())} for pid, kept in before.items()])


if __name__ == "__main__":
    main()
