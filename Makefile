# SPDX-License-Identifier: GPL-2.0-or-later
# vmk: make, make run, make test, make test-long, make bench, make install; MODE=release|debug|asan|ubsan|tsan
MODE ?= release
B := build/$(MODE)
V ?= 0
Q := $(if $(filter 1,$(V)),,@)

CC ?= gcc
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wimplicit-fallthrough -Werror
CPPFLAGS := -D_GNU_SOURCE -Ihypervisor -I. -DVMK_VERSION='"0.1"'
CFLAGS := -std=gnu11 -g $(WARN) -fno-strict-aliasing -fstack-protector-strong -fPIE -pthread
LDFLAGS := -pie -pthread -Wl,-z,relro,-z,now
CFLAGS_release := -O2 -D_FORTIFY_SOURCE=2 -DBT_TAIL_CALLS
CFLAGS_debug := -O0
# What clang finds beyond gcc, in macros of libseccomp and of optab.def, is none of them wrong
CFLAGS_fuzz := -O1 -fsanitize=fuzzer-no-link,address -Wno-missing-field-initializers -Wno-int-in-bool-context -Wno-gnu-variable-sized-type-not-at-end
CFLAGS_asan := -O1 -fsanitize=address -fno-omit-frame-pointer
CFLAGS_ubsan := -O1 -fsanitize=undefined -fno-sanitize-recover=undefined
# TSan knows no fences (those of virtqueues are for the guest, which it does not see either).
CFLAGS_tsan := -O1 -fsanitize=thread -Wno-tsan
LDFLAGS_asan := -fsanitize=address
LDFLAGS_fuzz := -fsanitize=address
LDFLAGS_ubsan := -fsanitize=undefined
LDFLAGS_tsan := -fsanitize=thread
CFLAGS += $(CFLAGS_$(MODE))
LDFLAGS += $(LDFLAGS_$(MODE))
# augeas.h includes libxml2's.
CFLAGS_computer := $(shell pkg-config --cflags augeas 2>/dev/null)
CFLAGS_vnc := $(shell pkg-config --cflags freetype2 2>/dev/null)
# The interpreter keeps the guest's x87 state in the host's registers: no compiler-made FPU or SSE code there.
CFLAGS_cpu := -mgeneral-regs-only -foptimize-sibling-calls -fno-stack-protector

# What executes single instructions touches its own CPU and the guest's memory, whose races are the guest's; ThreadSanitizer there
# would only make guests too slow to boot (and its calls would change exec_avx.c's vector registers).
$(patsubst %.c,$(B)/obj/%.o,$(wildcard hypervisor/cpu/exec_*.c)): private CFLAGS += -fno-sanitize=thread

# A part is a folder of *.c and *.S, made into build/MODE/lib<part>.a
PARTS := lib api cpu dev disk net vmx computer vmkernel tui shell vnc pam
DIR_lib := hypervisor/lib
DIR_api := hypervisor/api
DIR_cpu := hypervisor/cpu
DIR_dev := hypervisor/dev
DIR_disk := hypervisor/disk
DIR_net := hypervisor/net
DIR_vmx := hypervisor/vmx
DIR_computer := hypervisor/computer
DIR_vmkernel := hypervisor/vmkernel
DIR_tui := tui
DIR_shell := shell
DIR_vnc := vnc
DIR_pam := pam

# Programs: main file, the parts they link (in order) and the libraries. <dir>/main.c or <dir>/<name>_main.c never goes
# into the part's archive.
PROGRAMS := vmkernel vmk-vmx vmk-mks vmk-authd vmkstatus vmksh vmk-login
MAIN_vmkernel := hypervisor/vmkernel/main.c
USES_vmkernel := vmkernel computer pam api disk net lib
LIBS_vmkernel := -ljansson -lsystemd -lcrypt -lpam -laugeas -lmount -lblkid
MAIN_vmk-vmx := hypervisor/vmx/main.c
USES_vmk-vmx := vmx dev vmx cpu disk net api lib
LIBS_vmk-vmx := -ljansson -lsystemd -lseccomp -lslirp -lzstd
MAIN_vmk-mks := vnc/mks_main.c
USES_vmk-mks := vnc api lib
LIBS_vmk-mks := -lvncserver -lz -lfreetype -lxkbcommon -lseccomp -ljansson
MAIN_vmk-authd := vnc/authd_main.c
USES_vmk-authd := vnc pam api lib
LIBS_vmk-authd := -lgnutls -lnettle -lseccomp -ljansson
MAIN_vmkstatus := tui/main.c
USES_vmkstatus := tui pam api lib
LIBS_vmkstatus := -lncursesw -ltinfo -lxkbcommon -ljansson -lm
MAIN_vmksh := shell/main.c
USES_vmksh := shell pam api lib
LIBS_vmksh := -lreadline -lxkbcommon -ljansson -lpng
MAIN_vmk-login := pam/login_main.c
USES_vmk-login := pam api lib
LIBS_vmk-login := -lpam -lcrypt -ljansson

mains := $(foreach p,$(PROGRAMS),$(MAIN_$(p)))
# pam_vmk.c is the PAM module, its own shared object.
src = $(sort $(filter-out $(mains) pam/pam_vmk.c,$(wildcard $(DIR_$(1))/*.c $(DIR_$(1))/*.S)))
objs = $(addprefix $(B)/obj/,$(addsuffix .o,$(basename $(call src,$(1)))))
archive = $(B)/lib$(1).a

# Other names of vmksh, which it goes by.
LINKS := vmk vmk-cmd
.PHONY: all
all: $(addprefix $(B)/bin/,$(PROGRAMS) $(LINKS)) $(B)/lib/pam_vmk.so
$(addprefix $(B)/bin/,$(LINKS)): | $(B)/bin/vmksh
	$(Q)ln -sfn vmksh $@

define PART_RULES
$$(call archive,$(1)): $$(call objs,$(1))
	$$(Q)rm -f $$@ && $(AR) rcs $$@ $$^
$$(call objs,$(1)): private CFLAGS += $$(CFLAGS_$(1))
endef
$(foreach p,$(PARTS),$(eval $(call PART_RULES,$(p))))

# Executable for everybody, whatever the umask: a machine's owner runs it.
define PROGRAM_RULES
$(B)/bin/$(1): $(B)/obj/$(basename $(MAIN_$(1))).o $$(foreach p,$(USES_$(1)),$$(call archive,$$(p)))
	@mkdir -p $$(@D)
	@echo "  LD   $$@"
	$$(Q)$(CC) $(LDFLAGS) -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $(LIBS_$(1))
	$$(Q)chmod a+rx $$@
endef
$(foreach p,$(PROGRAMS),$(eval $(call PROGRAM_RULES,$(p))))

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC   $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
$(B)/obj/%.o: %.S
	@mkdir -p $(@D)
	@echo "  AS   $<"
	$(Q)$(CC) $(CPPFLAGS) -MMD -MP -c -o $@ $<

$(B)/lib/pam_vmk.so: pam/pam_vmk.c pam/users.c $(DIR_lib)/util.c $(DIR_lib)/error.c
	@mkdir -p $(@D)
	@echo "  LD   $@"
	$(Q)$(CC) $(CPPFLAGS) $(filter-out -fPIE,$(CFLAGS)) -fPIC -shared -Wl,-z,relro,-z,now,-z,nodelete $(LDFLAGS_$(MODE)) -o $@ $(filter %.c,$^) -lpam -lcrypt

# Unit tests: tests/unit/test_<what>.c is one Criterion program; its first line "// uses: cpu lib -lZydis" names the
# parts and libraries it links.
UNIT_TESTS := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
# A machine has network cards: who names vmx gets net and both their libraries too.
uses_of = $(call with_net,$(shell sed -n '1s,^// uses:,,p' $(1)))
with_net = $(1)$(if $(filter vmx,$(1)), net -lslirp -lzstd)
define UNIT_RULES
$(B)/tests/$(1): $(B)/obj/tests/unit/$(1).o $$(foreach p,$$(filter-out -l%,$$(call uses_of,tests/unit/$(1).c)),$$(call archive,$$(p)))
	@mkdir -p $$(@D)
	@echo "  LD   $$@"
	$$(Q)$(CC) $(LDFLAGS) -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(filter -l%,$$(call uses_of,tests/unit/$(1).c)) -lcriterion
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call UNIT_RULES,$(t))))

.PHONY: unit-tests
unit-tests: $(addprefix $(B)/tests/,$(UNIT_TESTS))

# A private host with a demo machine, and the status screen on it.
.PHONY: run
run:
	@etc/install-deps.sh build run guest
	@$(MAKE) --no-print-directory -s -j$$(nproc) all
	@VMK_BUILD=$(B) etc/demo.sh

# Programs that only others start go where these look for them, beside them. An installed host's own files stay as they are.
DESTDIR ?=
PREFIX ?= /usr
.PHONY: install
install: all man
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,sbin bin lib/vmk lib/systemd/system share/man/man1 share/man/man5 share/man/man8 share/bash-completion/completions)
	install -d $(addprefix $(DESTDIR)/etc/,vmk pam.d)
	install $(addprefix $(B)/bin/,$(filter-out vmksh,$(PROGRAMS))) $(DESTDIR)$(PREFIX)/sbin
	install $(B)/bin/vmksh $(DESTDIR)$(PREFIX)/bin
	for name in $(LINKS); do ln -sfn vmksh $(DESTDIR)$(PREFIX)/bin/$$name; done
	ln -sfn ../../sbin/vmk-login $(DESTDIR)$(PREFIX)/lib/vmk/vmk-login
	install -m 644 $(B)/lib/pam_vmk.so $(DESTDIR)$(PREFIX)/lib/vmk
	for section in 1 5 8; do install -m 644 $(B)/man/*.$$section $(DESTDIR)$(PREFIX)/share/man/man$$section; done
	ln -sfn vmksh.8 $(DESTDIR)$(PREFIX)/share/man/man8/vmk.8
	install -m 644 etc/systemd/* $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 644 etc/bash_completion.d/vmk $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	for name in vmksh vmk-cmd; do ln -sfn vmk $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$name; done
	[ -e $(DESTDIR)/etc/vmk/vmkernel.conf ] || install -m 644 etc/vmkernel.conf $(DESTDIR)/etc/vmk
	[ -e $(DESTDIR)/etc/pam.d/vmk ] || install -m 644 etc/pam.d/vmk $(DESTDIR)/etc/pam.d

.PHONY: clean
clean:
	rm -rf build

include $(wildcard tests/*.mk) etc/man/man.mk
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
.SECONDARY:
.DELETE_ON_ERROR:
