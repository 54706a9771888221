# SPDX-License-Identifier: GPL-2.0-or-later
# Images the smoke tests boot.
smoke-tools: build/images/echo.img build/images/console.img
# The 1.44 MB floppy of tests/guest/floppy/echo.S.
build/images/echo.img: tests/guest/floppy/echo.S
	@mkdir -p $(@D)
	$(Q)$(CC) -c -m32 -o $(@D)/echo.o $<
	$(Q)ld -m elf_i386 -Ttext 0x7c00 --oformat binary -e _start -o $@ $(@D)/echo.o
	$(Q)truncate -s 1474560 $@
# The floppy of tests/guest/floppy/video.S: video modes by letters.
smoke-tools: build/images/video.img
build/images/video.img: tests/guest/floppy/video.S
	@mkdir -p $(@D)
	$(Q)$(CC) -c -m32 -o $(@D)/video.o $<
	$(Q)ld -m elf_i386 -Ttext 0x7c00 --oformat binary -e _start -o $@ $(@D)/video.o
	$(Q)truncate -s 1474560 $@
# The floppy of tests/guest/floppy/ticker.S: a screen that never stands still, and counts of keys and mouse packets.
smoke-tools: build/images/ticker.img
build/images/ticker.img: tests/guest/floppy/ticker.S
	@mkdir -p $(@D)
	$(Q)$(CC) -c -m32 -o $(@D)/ticker.o $<
	$(Q)ld -m elf_i386 -Ttext 0x7c00 --oformat binary -e _start -o $@ $(@D)/ticker.o
	$(Q)truncate -s 1474560 $@
# A CD whose GRUB starts Debian's grub-invaders (multiboot) at once.
smoke-tools: build/images/invaders.iso
build/images/invaders.iso: /boot/invaders.exec
	@rm -rf $(@D)/invaders && mkdir -p $(@D)/invaders/boot/grub
	$(Q)cp $< $(@D)/invaders/boot/invaders.exec
	$(Q)printf 'multiboot /boot/invaders.exec\nboot\n' > $(@D)/invaders/boot/grub/grub.cfg
	$(Q)grub-mkrescue -d /usr/lib/grub/i386-pc -o $@ $(@D)/invaders >/dev/null 2>$(@D)/grub-mkrescue.log
/boot/invaders.exec: ;
# Boot sectors of tests/guest/floppy: scancodes.S tells what the keyboard sends, pointer.S where the pointer goes.
smoke-tools: build/images/scancodes.img build/images/pointer.img
build/images/scancodes.img build/images/pointer.img: build/images/%.img: tests/guest/floppy/%.S
	@mkdir -p $(@D)
	$(Q)$(CC) -c -m32 -o $(@D)/$*.o $<
	$(Q)ld -m elf_i386 -Ttext 0x7c00 --oformat binary -e _start -o $@ $(@D)/$*.o
	$(Q)truncate -s 1474560 $@
