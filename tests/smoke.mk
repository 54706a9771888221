# SPDX-License-Identifier: GPL-2.0-or-later
# Images the smoke tests boot.
smoke-tools: build/images/console.img
# 1.44 MB floppies that boot tests/guest/floppy/NAME.S: echo and video modes, a screen that never stands still with counts of keys and
# mouse packets (ticker), what the keyboard sends (scancodes), where the pointer goes (pointer), a disk that fills (writer), a power
# button that is heard (button).
FLOPPIES := $(patsubst %,build/images/%.img,echo video ticker scancodes pointer writer button)
smoke-tools: $(FLOPPIES)
$(FLOPPIES): build/images/%.img: tests/guest/floppy/%.S tests/guest/floppy/com1.h
	@mkdir -p $(@D)
	$(Q)$(CC) -c -m32 -o $(@D)/$*.o $<
	$(Q)ld -m elf_i386 -Ttext 0x7c00 --oformat binary -e _start -o $@ $(@D)/$*.o
	$(Q)truncate -s 1474560 $@
# A CD whose GRUB starts Debian's grub-invaders (multiboot) at once.
smoke-tools: build/images/invaders.iso
build/images/invaders.iso: /boot/invaders.exec
	@rm -rf $(@D)/invaders && mkdir -p $(@D)/invaders/boot/grub
	$(Q)cp $< $(@D)/invaders/boot/invaders.exec
	$(Q)printf 'multiboot /boot/invaders.exec\nboot\n' > $(@D)/invaders/boot/grub/grub.cfg
	$(Q)grub-mkrescue -d /usr/lib/grub/i386-pc -o $@ $(@D)/invaders >/dev/null 2>$(@D)/grub-mkrescue.log
/boot/invaders.exec: ;
