# SPDX-License-Identifier: GPL-2.0-or-later
# make man: build/MODE/man/*, manual pages of which the parts about commands, verbs, keys and views are made from the tables.
MAN_TEMPLATES := $(wildcard shell/*.in tui/*.in hypervisor/lib/*.in hypervisor/vmkernel/*.in)
MAN_PLAIN := $(wildcard hypervisor/vmkernel/*.8 vnc/*.8 pam/*.8)
MAN_PAGES := $(addprefix $(B)/man/,$(notdir $(MAN_TEMPLATES:.in=)) $(notdir $(MAN_PLAIN)))

$(B)/tools/vmk-mangen: $(B)/obj/etc/man/mangen.o $(foreach p,$(USES_vmksh),$(call archive,$(p)))
	@mkdir -p $(@D)
	@echo "  LD   $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_vmksh)

define MAN_RULES
$(B)/man/$(notdir $(1:.in=)): $(1) $(if $(filter %.in,$(1)),$(B)/tools/vmk-mangen)
	@mkdir -p $$(@D)
	@echo "  MAN  $$@"
	$(Q)$(if $(filter %.in,$(1)),$(B)/tools/vmk-mangen $$< >$$@,cp $$< $$@)
endef
$(foreach t,$(MAN_TEMPLATES) $(MAN_PLAIN),$(eval $(call MAN_RULES,$(t))))

.PHONY: man
man: $(MAN_PAGES)
