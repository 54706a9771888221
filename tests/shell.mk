# SPDX-License-Identifier: GPL-2.0-or-later
# Unit tests that run programs need them built.
$(B)/tests/test_login: | $(B)/bin/vmk-login $(B)/lib/pam_vmk.so
$(B)/tests/test_console: | $(B)/bin/vmksh $(B)/bin/vmkstatus $(B)/bin/vmk-login
$(B)/tests/test_status: | $(B)/bin/vmkstatus
$(B)/tests/test_vmksh: | $(B)/bin/vmksh $(B)/bin/vmk-login $(B)/bin/vmkernel $(B)/lib/pam_vmk.so
