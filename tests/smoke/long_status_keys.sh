#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A minute of random keys at every view of vmkstatus.
exec "$(dirname "$0")/status_keys.sh" 60
