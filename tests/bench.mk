# SPDX-License-Identifier: GPL-2.0-or-later
# make bench: programs tests/bench/bench_*.c (first line "// uses: ..." as for unit tests), then tests/bench/*.sh
BENCHES := $(patsubst tests/bench/%.c,%,$(wildcard tests/bench/bench_*.c))
define BENCH_RULES
$(B)/bench/$(1): $(B)/obj/tests/bench/$(1).o $$(foreach p,$$(filter-out -l%,$$(call uses_of,tests/bench/$(1).c)),$$(call archive,$$(p)))
	@mkdir -p $$(@D)
	@echo "  LD   $$@"
	$$(Q)$(CC) $(LDFLAGS) -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(filter -l%,$$(call uses_of,tests/bench/$(1).c)) -lm
endef
$(foreach b,$(BENCHES),$(eval $(call BENCH_RULES,$(b))))

.PHONY: bench
bench: all smoke-tools $(addprefix $(B)/bench/,$(BENCHES))
	$(Q)set -e; for b in $(addprefix $(B)/bench/,$(BENCHES)); do $$b; done
	$(Q)set -e; for s in tests/bench/*.sh; do VMK_BUILD=$(B) $$s; done
