#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The 64-bit memtest86+: long mode from its own boot code on.
exec "$(dirname "$0")/memtest.sh" x64
