# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say of the Python that the agent will run with: its version, then whether it has the distribution's psutil."""

import sys

print("%d.%d.%d" % sys.version_info[:3])
sys.path += ["/usr/lib/python3/dist-packages", "/usr/lib64/python%d.%d/site-packages" % sys.version_info[:2]]
try:
    from psutil import cpu_times

    cpu_times()
except Exception:  # whatever keeps it from working, the package is to be installed
    print("no psutil")
else:
    print("psutil")
