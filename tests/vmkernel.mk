# SPDX-License-Identifier: GPL-2.0-or-later
# The daemon's tests run the daemon itself.
$(B)/tests/test_vmkernel $(B)/tests/test_host: | $(B)/bin/vmkernel
