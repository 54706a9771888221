# SPDX-License-Identifier: GPL-2.0-or-later
# Tests: make test (all that is quick, in release, ASan and UBSan builds), make test-long, make fuzz-<target>.

FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
define FUZZ_RULES
$(B)/fuzz/fuzz_$(1): $(B)/obj/tests/fuzz/fuzz_$(1).o $(B)/obj/tests/fuzz/replay.o $$(foreach p,$$(filter-out -l%,$$(call uses_of,tests/fuzz/fuzz_$(1).c)),$$(call archive,$$(p)))
	@mkdir -p $$(@D)
	@echo "  LD   $$@"
	$$(Q)$(CC) $(LDFLAGS) $$(if $$(filter fuzz,$(MODE)),-fsanitize=fuzzer) -o $$@ $$(filter $$(if $$(filter fuzz,$(MODE)),%/fuzz_$(1).o,%.o),$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(filter -l%,$$(call uses_of,tests/fuzz/fuzz_$(1).c))
# A real fuzzing session: make fuzz-vmx SECONDS=600; new inputs land in build/corpus.
.PHONY: fuzz-$(1)
fuzz-$(1):
	@etc/install-deps.sh fuzz
	@$$(MAKE) --no-print-directory MODE=fuzz CC=clang build/fuzz/fuzz/fuzz_$(1)
	@mkdir -p build/corpus/$(1)
	build/fuzz/fuzz/fuzz_$(1) -max_total_time=$$(or $$(SECONDS),60) build/corpus/$(1) tests/fuzz/corpus/$(1)
endef
$(foreach t,$(FUZZ_TARGETS),$(eval $(call FUZZ_RULES,$(t))))

.PHONY: fuzz-replays
fuzz-replays: $(addprefix $(B)/fuzz/fuzz_,$(FUZZ_TARGETS))

# Programs of the smoke tests: tests/smoke/<name>.c, first line "// uses: ..." as for unit tests.
SMOKE_TOOLS := $(patsubst tests/smoke/%.c,%,$(wildcard tests/smoke/*.c))
define SMOKE_RULES
$(B)/smoke/$(1): $(B)/obj/tests/smoke/$(1).o $$(foreach p,$$(filter-out -l%,$$(call uses_of,tests/smoke/$(1).c)),$$(call archive,$$(p)))
	@mkdir -p $$(@D)
	@echo "  LD   $$@"
	$$(Q)$(CC) $(LDFLAGS) -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(filter -l%,$$(call uses_of,tests/smoke/$(1).c))
endef
$(foreach t,$(SMOKE_TOOLS),$(eval $(call SMOKE_RULES,$(t))))
.PHONY: smoke-tools
smoke-tools: $(addprefix $(B)/smoke/,$(SMOKE_TOOLS))

.PHONY: test test-long lint
test:
	@etc/install-deps.sh build run test guest
	@tests/run.sh

test-long:
	@etc/install-deps.sh build run test guest
	@VMK_LONG=1 tests/run.sh

# Include directions between the parts (README.md, "Who may include whom"), and headers that compile alone.
lint:
	@tests/lint.sh
