# SPDX-License-Identifier: GPL-2.0-or-later
# make bench: programs tests/bench/bench_*.c (first line "// uses: ..." as for unit tests), then tests/bench/*.sh with the programs
# they use: linux.c, the host's side, and guest/init.c, which is all there is in the guest but a kernel; console.c, a viewer, and
# guest/console.S, what it looks at; thousand.c, what a person waits for.
BENCHES := $(patsubst tests/bench/%.c,%,$(wildcard tests/bench/bench_*.c))
define BENCH_RULES
$(B)/bench/$(1): $(B)/obj/tests/bench/$(1).o $$(foreach p,$$(filter-out -l%,$$(call uses_of,tests/bench/$(1).c)),$$(call archive,$$(p)))
	@mkdir -p $$(@D)
	@echo "  LD   $$@"
	$$(Q)$(CC) $(LDFLAGS) -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(filter -l%,$$(call uses_of,tests/bench/$(1).c)) -lm
endef
$(foreach b,$(BENCHES) linux console thousand,$(eval $(call BENCH_RULES,$(b))))
$(B)/bench/init: tests/bench/guest/init.c
	@mkdir -p $(@D)
	@echo "  CC   $<"
	$(Q)$(CC) -std=gnu11 -O2 $(WARN) -static -o $@ $<

build/images/console.img: tests/bench/guest/console.S
	@mkdir -p $(@D)
	@echo "  AS   $<"
	$(Q)$(CC) -c -m32 -o $(@D)/console.o $<
	$(Q)ld -m elf_i386 -Ttext 0x7c00 --oformat binary -e _start -o $@ $(@D)/console.o
	$(Q)truncate -s 1474560 $@

.PHONY: bench
bench:
	@etc/install-deps.sh build run bench guest
	@$(MAKE) --no-print-directory bench-run
.PHONY: bench-run
bench-run: all build/images/echo.img build/images/console.img $(addprefix $(B)/bench/,$(BENCHES) linux console thousand init)
	$(Q)set -e; for b in $(addprefix $(B)/bench/,$(BENCHES)); do $$b; done
	$(Q)set -e; for s in tests/bench/*.sh; do VMK_BUILD=$(B) $$s; done
