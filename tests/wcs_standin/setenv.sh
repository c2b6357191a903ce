# shellcheck shell=sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the stand-in is started with, in the form of the vendor's file
# shellcheck disable=SC2034
WCS_FD_LIMIT=20000
