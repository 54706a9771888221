# SPDX-License-Identifier: GPL-2.0-or-later
# The daemon's test runs the daemon itself.
$(B)/tests/test_vmkernel: | $(B)/bin/vmkernel
