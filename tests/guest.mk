# SPDX-License-Identifier: GPL-2.0-or-later
# Bare guest programs of tests/guest: flat images that run at 0:7C00 and are boot floppies as well.
# Those called long* have 64-bit code; they run on a CPU that has it.
GUEST_PROGRAMS := $(patsubst tests/guest/%.S,%,$(wildcard tests/guest/*.S))
GUEST_IMAGES := $(addprefix build/guest/,$(addsuffix .bin,$(GUEST_PROGRAMS)))

build/guest/%.bin: tests/guest/%.S tests/guest/prelude.h
	@mkdir -p $(@D)
	@echo "  AS   $<"
	$(Q)$(CC) $(if $(filter long%,$*),-m64,-m32) -Itests/guest -c -o build/guest/$*.o $<
	$(Q)ld -m $(if $(filter long%,$*),elf_x86_64,elf_i386) -Ttext 0x7c00 --oformat binary -e _start -o $@ build/guest/$*.o

# For emulated CPUs, without checks of what those lack.
build/guest/lenient/%.bin: tests/guest/%.S tests/guest/prelude.h
	@mkdir -p $(@D)
	@echo "  AS   $< (lenient)"
	$(Q)$(CC) $(if $(filter long%,$*),-m64,-m32) -DGUEST_LENIENT -Itests/guest -c -o $(@D)/$*.o $<
	$(Q)ld -m $(if $(filter long%,$*),elf_x86_64,elf_i386) -Ttext 0x7c00 --oformat binary -e _start -o $@ $(@D)/$*.o

build/guest/floppy/%.img: build/guest/%.bin
	@mkdir -p $(@D)
	$(Q)cp $< $@ && truncate -s 1474560 $@

.PHONY: guests guest-floppies
guests: $(GUEST_IMAGES)
guest-floppies: $(patsubst %,build/guest/floppy/%.img,$(GUEST_PROGRAMS))

# The harness lists them by wildcard at run time.
$(foreach m,release debug asan ubsan tsan,build/$(m)/tests/test_guest): | $(GUEST_IMAGES)

# Booted by tests/smoke/guests.sh.
smoke-tools: guest-floppies
