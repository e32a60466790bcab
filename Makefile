# SPDX-License-Identifier: LGPL-2.1-or-later
# xl-fast: see `make help`.
#
#   XEN=0      build without Xen's libraries: xl-fast with its demo, no plug-in
#   CC=clang   another compiler
#   BUILD=DIR  another build folder
#   FAULTS=1   with fault points (transport/base/fault.h): for tests, in build/faults
#   V=1        show the commands

FAULTS ?=
BUILD ?= build$(if $(filter 1,$(FAULTS)),/faults)
XEN ?= 1
PREFIX ?= /usr
DESTDIR ?=
LIBDIR ?= $(PREFIX)/lib/xl-fast
SYSCONFDIR ?= /etc
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/xl-fast
COMPLETION_DIR ?= $(PREFIX)/share/bash-completion/completions
DATADIR ?= $(PREFIX)/share/xl-fast
SHIM_DIR ?=
# Beside the shim, where it is found before Xen's own completion of xl: for /usr/local/sbin below /usr/local/share.
SHIM_COMPLETION_DIR ?= $(if $(SHIM_DIR),$(patsubst %/,%,$(dir $(SHIM_DIR:%/=%)))/share/bash-completion/completions)
SAN ?=
SECONDS ?= 30
FUZZ ?=
RUNS ?= 2000
SEED ?=
SEEDS ?= 50
BENCH ?=
V ?=
Q = $(if $(V),,@)
# One short line a command, or none with make -s.
say = $(if $(V)$(findstring s,$(filter-out -%,$(firstword $(MAKEFLAGS)))),:,echo '  $(1)  $@')

PKG_CONFIG ?= pkg-config
OPT ?= -O2 -g
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
CFLAGS_ALL = -std=gnu11 -D_GNU_SOURCE -I. -fPIC -pthread $(OPT) $(WARN) -MMD -MP \
	$(if $(filter 1,$(FAULTS)),-DXF_FAULTS) \
	$(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all) $(CFLAGS)
# Bound at once: a symbol looked up later saves the vector registers, and what a copy left there, on the stack.
LDFLAGS_ALL = -pthread -Wl,-z,relro,-z,now $(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS)

# Each room may use its own libraries and no others (`make lint` checks the includes).
XXHASH_LIBS = $(shell $(PKG_CONFIG) --libs libxxhash)
TRANSPORT_LIBS = -lm -lIPSec_MB $(shell $(PKG_CONFIG) --libs liblz4) $(XXHASH_LIBS)
DPDK_CFLAGS = $(subst -I,-isystem ,$(shell $(PKG_CONFIG) --cflags libdpdk))
DPDK_LIBS = $(shell $(PKG_CONFIG) --libs libdpdk)
XEN_LIBS = -lxenctrl -lxenguest -lxenforeignmemory -lxentoollog -lxlutil -lxentoolcore
CLI_LIBS = $(shell $(PKG_CONFIG) --libs json-c) $(XXHASH_LIBS)

# Each room is a static library, and a program is linked with those it may use, from the top down: what includes
# upwards does not link (`make lint` checks the includes, too).
ROOMS := transport/base transport transport/sim transport/disk dpdk $(addprefix xl-plugin/,cli screen recover doctor demo bench \
	migrate evacuate plugin plugin/pv handover preflight arrival disks clone)
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard $(1)/*.c))
# The files that hold a main(), and the plug-in's door: no room's.
MAINS := cli/main preflight/preflight preflight/domain migrate/gate handover/pump plugin/entry arrival/main disks/main clone/main
# The tracker of disks takes clang and llvm, for its program in the kernel, and libbpf; without them it says that it is not there.
TRACK ?= $(if $(and $(shell command -v clang),$(shell command -v llvm-strip),$(shell $(PKG_CONFIG) --exists libbpf && echo 1)),1,0)
TRACK := $(TRACK)
BPF_LIBS = $(if $(filter 1,$(TRACK)),$(shell $(PKG_CONFIG) --libs libbpf) -lelf -lz)
# What other builds have, and what is no program of this machine.
other_track := %.bpf.o $(if $(filter 1,$(TRACK)),%/disk/track_none.o,%/disk/track.o)
# What only a test build has.
test_build_only := $(if $(filter 1,$(FAULTS)),,%/base/fault.o %/cli/faults.o)
room_objects = $(filter-out $(test_build_only) $(other_track) $(MAINS:%=$(BUILD)/obj/xl-plugin/%.o),$(call objects,$(1))) \
	$(if $(filter 1$(1),$(TRACK)transport/disk),$(BUILD)/obj/transport/disk/track_program.o)
room = $(patsubst %,$(BUILD)/lib/%.a,$(subst /,-,$(1)))

# Of a test build, the fault points of all rooms.
FAULT_POINTS := $(if $(filter 1,$(FAULTS)),$(BUILD)/obj/tests/faults/points.o)
BASE := $(call room,transport transport/base) $(FAULT_POINTS)
SIM := $(call room,transport/sim) $(BASE)
DPDK := $(call room,dpdk) $(BASE)
COMMANDS := $(call room,$(addprefix xl-plugin/,evacuate migrate bench demo doctor recover screen cli))
# The fault link is of test builds only.
PLUGIN := $(call room,xl-plugin/plugin/pv xl-plugin/plugin dpdk $(if $(filter 1,$(FAULTS)),transport/sim)) $(BASE)

PROGRAMS := $(BUILD)/xl-fast
ifeq ($(XEN),1)
PROGRAMS += $(BUILD)/libxlfast.so $(BUILD)/xl-fast-preflight $(BUILD)/xl-fast-domain $(BUILD)/xl-fast-gate \
	$(BUILD)/xl-fast-pump $(BUILD)/xl-fast-arrival $(BUILD)/xl-fast-disks $(BUILD)/xl-fast-clone
endif

tests_of = $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/$(1)/test_*.c))
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
# Those that need Xen's headers and libraries.
FUZZ_XEN := config handover restore tunnel_restore tunnel_save
ifneq ($(XEN),1)
FUZZ_NAMES := $(filter-out $(FUZZ_XEN),$(FUZZ_NAMES))
endif
UNIT_TESTS := $(call tests_of,transport) $(call tests_of,dpdk) $(call tests_of,cli)
ifeq ($(XEN),1)
UNIT_TESTS += $(call tests_of,xl-plugin)
endif

.PHONY: all setup demo check unit lab check-xen check-trixie deb check-deb faults soak bench bench-net bench-xen asan tsan valgrind fuzz lint format install uninstall clean help
.DELETE_ON_ERROR:
.SECONDARY:

all: $(PROGRAMS)

help:
	@echo 'make demo       migrate a simulated guest between two processes, here and now'
	@echo 'make check      all tests that need no Xen'
	@echo 'make lab        two real Xen hosts under QEMU, our build installed (scripts/lab)'
	@echo 'make check-xen  run the Xen scenarios of tests/lab in that lab: hours; with QUICK=1'
	@echo '                each kind of guest and of host once'
	@echo 'make            build $(PROGRAMS)'
	@echo 'make check-trixie  make check in a Debian 13 of its own (scripts/lab chroot)'
	@echo 'make deb        Debian packages of this tree, in $(BUILD)/deb'
	@echo 'make check-deb  install, upgrade, remove and purge them in a Debian of their own (root); lintian; built twice, the same'
	@echo 'make asan tsan  the tests under the sanitizers'
	@echo 'make soak       RUNS=N SEED=S: N migrations with faults by real processes (2000), and a hundred'
	@echo '                times as many to one target and to a group on a virtual clock; figures in $(BUILD)/soak.json'
	@echo 'make valgrind   a whole demo under valgrind'
	@echo 'make fuzz       the fuzzers, SECONDS=N each (default 30), FUZZ="NAME..." or all'
	@echo 'make faults     the demo under heavy faults, SEEDS=N (default 50)'
	@echo 'make bench      rates, total times and downtimes beside this machine'"'"'s limit and QEMU'"'"'s live migration,'
	@echo '                medians of five runs, BENCH="--quick ..."; figures and a table in $(BUILD)/bench'
	@echo 'make bench-xen  xl migrate --fast beside stock xl migrate in the lab; $(BUILD)/bench/xen.json and xen.md'
	@echo 'make bench-net  goodput and fairness at a bottleneck, BENCH="--rate 1gbit ..." (root)'
	@echo 'make lint format install clean'
	@echo 'variables: XEN=0 (without Xen), TRACK=0 (without the tracker of disks), CC, BUILD, V=1, DESTDIR, PREFIX'

setup:
	@scripts/setup build $(if $(filter 1,$(XEN)),xen)

# The recipe calls make again, because what setup installs decides the flags above.
demo: setup
	@$(MAKE) --no-print-directory $(BUILD)/xl-fast
	$(BUILD)/xl-fast demo $(DEMO)

check: setup
	@scripts/setup check
	@$(MAKE) --no-print-directory all tests
	@XF_BUILD=$(BUILD) XEN=$(XEN) scripts/run-tests $(TESTS)

.PHONY: tests fuzzers test-build
# Of some tests those that TESTS names, as scripts/run-tests does; without TESTS all.
wanted = $(if $(TESTS),$(foreach test,$(1),$(if $(strip $(foreach word,$(TESTS),$(findstring $(word),$(test)))),$(test))),$(1))
tests: $(addprefix $(BUILD)/tests/,$(call wanted,$(UNIT_TESTS:$(BUILD)/tests/%=%))) \
	$(if $(strip $(call wanted,e2e/fuzz-corpus)),$(FUZZ_NAMES:%=$(BUILD)/fuzz/replay_%)) \
	$(if $(strip $(call wanted,e2e/versions)),$(BUILD)/compat-end) \
	$(if $(strip $(call wanted,e2e/arrival)),$(BUILD)/arrival-guest) \
	$(if $(strip $(call wanted,e2e/multicast)),$(BUILD)/group-port) \
	$(if $(strip $(call wanted,e2e/disks-sync e2e/faults e2e/move-off e2e/soak e2e/with-disks)),test-build)
fuzzers: $(FUZZ_NAMES:%=$(BUILD)/fuzz/fuzz_%)

# The test build with fault points, whole, as the lab installs it (of a sanitizer's, what is run), and the soak,
# which is made of it.
test-build:
	@$(MAKE) --no-print-directory FAULTS=1 BUILD=$(BUILD)/faults \
		$(if $(SAN),$(BUILD)/faults/xl-fast,all) $(BUILD)/faults/soak

soak: setup test-build
	$(BUILD)/faults/soak -v $(RUNS)00 -g $(RUNS)00 -r $(RUNS) -o $(BUILD)/soak.json $(if $(SEED),-s $(SEED))
	tests/soak/clones.py $(BUILD)/faults/xl-fast $(RUNS) $(SEED)

# ThreadSanitizer and AddressSanitizer builds have folders of their own.
asan: setup
	@scripts/setup check
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SAN=address,undefined all tests
	@XF_BUILD=$(BUILD)/asan XEN=$(XEN) XF_SANITIZED=asan scripts/run-tests $(TESTS)

tsan: setup
	@scripts/setup check
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan SAN=thread all tests
	@XF_BUILD=$(BUILD)/tsan XEN=$(XEN) XF_SANITIZED=tsan scripts/run-tests $(TESTS)

# A whole migration: no memory lost, none read that was never written.
valgrind: setup
	@scripts/setup valgrind
	@$(MAKE) --no-print-directory $(BUILD)/xl-fast
	@XF_BUILD=$(BUILD) tests/sanitizers/valgrind.sh

lab: setup
	@$(MAKE) --no-print-directory all
	scripts/lab up
	scripts/lab install

# The same tests in Debian 13, with its compiler, DPDK and Xen's headers, in a folder made for it (root).
check-trixie:
	scripts/lab chroot trixie make --no-print-directory -j$(shell nproc) BUILD=$(BUILD)/trixie check TESTS='$(TESTS)'

# All scenarios, the whole matrix; hours. QUICK=1: each kind of guest and of host once.
check-xen: lab
	LAB_QUICK=$(QUICK) scripts/lab run

deb: setup
	@scripts/setup track deb
	@scripts/deb/build $(BUILD)/deb

# No override is needed; one that is goes to scripts/deb/xl-fast.lintian-overrides, with the reason.
check-deb: deb
	lintian --allow-root --fail-on error,warning $(BUILD)/deb/xl-fast*.deb
	@XF_BUILD=$(BUILD) tests/deb/again.sh $(BUILD)/deb/xl-fast*.deb
	@XF_BUILD=$(BUILD) tests/deb/package.sh $(BUILD)/deb/xl-fast_*.deb

# The demo under heavy faults, with many seeds; make check has a few of them.
faults: setup
	@$(MAKE) --no-print-directory $(BUILD)/xl-fast
	@XF_BUILD=$(BUILD) SEEDS=$(SEEDS) tests/e2e/demo-heavy-faults.sh

# Who cannot install QEMU measures the rest.
bench: setup
	@scripts/setup bench || echo 'bench: goes on without them' >&2
	@$(MAKE) --no-print-directory $(BUILD)/xl-fast
	@BUILD=$(BUILD) scripts/bench $(BENCH)

bench-xen: lab
	scripts/lab run bench-xen

bench-net: setup
	@scripts/setup bench-net
	@$(MAKE) --no-print-directory $(BUILD)/xl-fast
	@BUILD=$(BUILD) scripts/bench-net $(BENCH)

lint: setup
	@scripts/setup check lint
	@BUILD=$(BUILD) XEN=$(XEN) scripts/lint

# libFuzzer is clang's; the same targets with any compiler and a main() of ours replay the kept inputs
# (tests/e2e/fuzz-corpus.sh).
fuzz: setup
	@scripts/setup check lint
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz CC=clang SAN=fuzzer-no-link,address,undefined fuzzers
	@BUILD=$(BUILD) scripts/fuzz $(SECONDS) $(or $(FUZZ),$(FUZZ_NAMES))

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

# LIBDIR holds all that works together; SHIM_DIR (not set: none) gets a link to the xl shim, and
# should stand before the real xl's folder in PATH. With it goes the completion of `xl migrate --fast`.
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(LIBDIR) $(DESTDIR)$(DATADIR) $(DESTDIR)$(COMPLETION_DIR)
	install -m 755 $(BUILD)/xl-fast $(DESTDIR)$(PREFIX)/bin/xl-fast
	install -m 644 xl-plugin/events.schema.json $(DESTDIR)$(DATADIR)
	install -m 644 xl-plugin/completion/xl-fast $(DESTDIR)$(COMPLETION_DIR)/xl-fast
ifeq ($(XEN),1)
	install -m 755 $(BUILD)/xl-fast-preflight $(BUILD)/xl-fast-domain $(BUILD)/xl-fast-gate $(BUILD)/xl-fast-pump \
		$(BUILD)/xl-fast-arrival $(BUILD)/xl-fast-disks $(BUILD)/xl-fast-clone xl-plugin/clone/xl-fast-vif-fenced \
		xl-plugin/migrate/xl-fast-helper xl-plugin/migrate/xl-fast-receive xl-plugin/migrate/xl \
		$(DESTDIR)$(LIBDIR)
	install -m 644 $(BUILD)/libxlfast.so $(DESTDIR)$(LIBDIR)
	install -d $(DESTDIR)$(SYSCONFDIR)/xen $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(DOCDIR)
	install -m 644 xl-plugin/conf/xl-fast.conf $(DESTDIR)$(SYSCONFDIR)/xen/xl-fast.conf.example
	install -m 644 xl-plugin/man/*.1 $(DESTDIR)$(MANDIR)/man1
	install -m 644 xl-plugin/man/*.5 $(DESTDIR)$(MANDIR)/man5
	install -m 644 xl-plugin/doc/*.md $(DESTDIR)$(DOCDIR)
	install -m 755 xl-plugin/clone/xl-fast-clone-guest $(DESTDIR)$(DATADIR)
	$(if $(SHIM_DIR),install -d $(DESTDIR)$(SHIM_DIR) && ln -sf $(LIBDIR)/xl $(DESTDIR)$(SHIM_DIR)/xl)
	$(if $(SHIM_DIR),install -d $(DESTDIR)$(SHIM_COMPLETION_DIR) && \
		ln -sf $(COMPLETION_DIR)/xl-fast $(DESTDIR)$(SHIM_COMPLETION_DIR)/xl)
endif

# Leaves /etc/xen/xl-fast.conf, which is the user's.
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/xl-fast $(DESTDIR)$(COMPLETION_DIR)/xl-fast $(DESTDIR)$(SYSCONFDIR)/xen/xl-fast.conf.example \
		$(addprefix $(DESTDIR)$(MANDIR)/,$(patsubst xl-plugin/man/%.1,man1/%.1,$(wildcard xl-plugin/man/*.1)) \
		$(patsubst xl-plugin/man/%.5,man5/%.5,$(wildcard xl-plugin/man/*.5))) \
		$(patsubst xl-plugin/doc/%,$(DESTDIR)$(DOCDIR)/%,$(wildcard xl-plugin/doc/*.md))
	rm -rf $(DESTDIR)$(LIBDIR) $(DESTDIR)$(DATADIR)
	$(if $(SHIM_DIR),rm -f $(DESTDIR)$(SHIM_DIR)/xl $(DESTDIR)$(SHIM_COMPLETION_DIR)/xl)

clean:
	rm -rf $(addprefix $(BUILD)/,obj lib tests asan tsan lint faults fuzz/obj fuzz/fuzz) $(PROGRAMS)

$(BUILD)/obj/dpdk/%.o $(BUILD)/obj/tests/unit/dpdk/%.o: private ROOM_CFLAGS = $(DPDK_CFLAGS)

define room_library
$(call room,$(1)): $(call room_objects,$(1))
	@mkdir -p $$(@D)
	@$$(call say,AR)
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room_library,$(r))))

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	@$(call say,CC)
	$(Q)$(CC) $(CFLAGS_ALL) $(ROOM_CFLAGS) -c -o $@ $<

# What the kernel runs, as two symbols around its bytes: with its types (BTF), which -g makes, and no debugger's, which
# name the folder that it was built in.
$(BUILD)/obj/transport/disk/track.bpf.o: transport/disk/track.bpf.c transport/disk/track_shape.h Makefile
	@mkdir -p $(@D)
	@$(call say,BPF)
	$(Q)clang -O2 -g -fdebug-compilation-dir=. -Wall -Werror -target bpf -mcpu=v3 -I. -I/usr/include/x86_64-linux-gnu -c -o $@ $<
	$(Q)llvm-strip -g $@

$(BUILD)/obj/transport/disk/track_program.o: $(BUILD)/obj/transport/disk/track.bpf.o
	@$(call say,LD)
	$(Q)cd $(@D) && ld -r -b binary -z noexecstack -o track_program.o track.bpf.o
	$(Q)objcopy --redefine-sym _binary_track_bpf_o_start=xf_track_program \
		--redefine-sym _binary_track_bpf_o_end=xf_track_program_end --strip-symbol _binary_track_bpf_o_size $@

$(BUILD)/xl-fast: $(BUILD)/obj/xl-plugin/cli/main.o $(COMMANDS) $(call room,transport/sim transport/disk) $(DPDK)
	@$(call say,LD)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(DPDK_LIBS) $(TRANSPORT_LIBS) $(CLI_LIBS)

# Only the functions that it takes over are visible.
$(BUILD)/libxlfast.so: $(BUILD)/obj/xl-plugin/plugin/entry.o $(PLUGIN) xl-plugin/plugin/exports.map
	@$(call say,LD)
	$(Q)$(CC) $(LDFLAGS_ALL) -shared -Wl,--defsym=xc_shadow_control=xf_shadow_control -Wl,--version-script=xl-plugin/plugin/exports.map -o $@ \
		$(filter %.o %.a,$^) $(DPDK_LIBS) $(TRANSPORT_LIBS) $(XEN_LIBS) -ldl

# Asks what can be known before a migration; needs no DPDK to run.
$(BUILD)/xl-fast-preflight: $(BUILD)/obj/xl-plugin/preflight/preflight.o \
		$(call room,$(addprefix xl-plugin/,preflight screen doctor recover cli handover plugin)) $(DPDK)
	@$(call say,LD)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(CLI_LIBS) -lxenlight -lxlutil -lxentoollog -lxenctrl -lxenguest

# What recover needs of Xen at one end, and what it shares with xl-fast.
$(BUILD)/xl-fast-domain: $(BUILD)/obj/xl-plugin/preflight/domain.o $(call room,xl-plugin/recover xl-plugin/cli)
	@$(call say,LD)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(CLI_LIBS) -lxenlight -lxentoollog

# What a restricted ssh key runs: no Xen, no shell.
$(BUILD)/xl-fast-gate: $(BUILD)/obj/xl-plugin/migrate/gate.o $(call room,xl-plugin/recover xl-plugin/cli)
	@$(call say,LD)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(CLI_LIBS)

# The target's end between ssh and xl.
$(BUILD)/xl-fast-pump: $(BUILD)/obj/xl-plugin/handover/pump.o $(call room,xl-plugin/handover xl-plugin/plugin dpdk \
		$(if $(filter 1,$(FAULTS)),transport/sim)) $(BASE)
	@$(call say,LD)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(DPDK_LIBS) $(TRANSPORT_LIBS) $(XEN_LIBS) $(CLI_LIBS)

# Beside the receiver at the target: watches and announces the guest's network interfaces.
$(BUILD)/xl-fast-arrival: $(BUILD)/obj/xl-plugin/arrival/main.o $(call room,$(addprefix xl-plugin/,arrival plugin)) $(DPDK)
	@$(call say,LD)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(XXHASH_LIBS) -lxlutil -lxenctrl -lxenstore

# Guests with their disks, at both ends.
$(BUILD)/xl-fast-disks: $(BUILD)/obj/xl-plugin/disks/main.o $(call room,$(addprefix xl-plugin/,disks migrate screen recover cli plugin) \
		transport/disk dpdk $(if $(filter 1,$(FAULTS)),transport/sim)) $(BASE)
	@$(call say,LD)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(DPDK_LIBS) $(TRANSPORT_LIBS) $(CLI_LIBS) $(BPF_LIBS) -lxenlight -lxlutil -lxentoollog \
		-lxenctrl -lxenstore -lxengnttab

# What `xl-fast clone` needs of Xen, at both ends.
$(BUILD)/xl-fast-clone: $(BUILD)/obj/xl-plugin/clone/main.o $(call room,$(addprefix xl-plugin/,clone migrate recover cli handover plugin)) $(BASE)
	@$(call say,LD)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(TRANSPORT_LIBS) $(CLI_LIBS) -lxenlight -lxentoollog -lxenstore

# What the tests of several rooms use.
COMMON_XEN := $(if $(filter 1,$(XEN)),,tunnel_pair xen_move)
TESTS_COMMON := $(BUILD)/lib/tests-common.a
$(TESTS_COMMON): $(filter-out $(COMMON_XEN:%=$(BUILD)/obj/tests/unit/common/%.o),$(call objects,tests/unit/common))
	@mkdir -p $(@D)
	@$(call say,AR)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/tests/cli/%: $(BUILD)/obj/tests/unit/cli/%.o $(COMMANDS) $(call room,xl-plugin/arrival transport/disk) $(DPDK)
	@mkdir -p $(@D)
	@$(call say,LD)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(CLI_LIBS) -lcmocka -lm

$(BUILD)/tests/transport/%: $(BUILD)/obj/tests/unit/transport/%.o $(TESTS_COMMON) $(call room,transport/disk) $(SIM)
	@mkdir -p $(@D)
	@$(call say,LD)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(TRANSPORT_LIBS) -lcmocka

$(BUILD)/obj/tests/unit/transport/test_track.o: private ROOM_CFLAGS = -DXF_TRACK=$(TRACK)
$(BUILD)/tests/transport/test_track: private TRANSPORT_LIBS += $(BPF_LIBS)

$(BUILD)/tests/dpdk/%: $(BUILD)/obj/tests/unit/dpdk/%.o $(call room,transport/sim) $(DPDK)
	@mkdir -p $(@D)
	@$(call say,LD)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(DPDK_LIBS) $(TRANSPORT_LIBS) -lcmocka

# Over a port whose filter does what the test says.
FILTER_WRAPS = dev_set_mc_addr_list dev_info_get allmulticast_enable allmulticast_disable promiscuous_enable promiscuous_disable
$(BUILD)/tests/dpdk/test_membership: private LDFLAGS_ALL += $(FILTER_WRAPS:%=-Wl,--wrap=rte_eth_%)

# Those over stand-ins for Xen, the port and the configuration (tests/unit/standins).
STANDIN_WRAPS = xf_linger_start xf_ports_open xf_ports_close_begin xf_ports_close_end xf_config_load xf_say dlsym
XEN_TESTS := $(foreach t,$(UNIT_TESTS),$(if $(findstring /test_xen_,$t),$t))
$(XEN_TESTS): $(BUILD)/obj/xl-plugin/plugin/entry.o $(call objects,tests/unit/standins)
$(XEN_TESTS): private LDFLAGS_ALL += $(STANDIN_WRAPS:%=-Wl,--wrap=%)

$(BUILD)/tests/xl-plugin/%: $(BUILD)/obj/tests/unit/xl-plugin/%.o $(TESTS_COMMON) $(call room,$(addprefix xl-plugin/,preflight handover disks clone screen recover cli)) $(PLUGIN) $(call room,transport/sim)
	@mkdir -p $(@D)
	@$(call say,LD)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(DPDK_LIBS) $(TRANSPORT_LIBS) $(XEN_LIBS) $(CLI_LIBS) -ldl -lcmocka

$(BUILD)/tests/xl-plugin/test_identity: private XEN_LIBS += -lxenlight

HEAP_WRAPS = malloc calloc realloc aligned_alloc free mmap munmap

# Only of a test build: the soak (tests/soak/soak.h).
$(BUILD)/soak: $(call objects,tests/soak) $(call room,xl-plugin/demo xl-plugin/cli transport/sim) $(DPDK)
	@$(call say,LD)
	$(Q)$(CC) $(LDFLAGS_ALL) $(HEAP_WRAPS:%=-Wl,--wrap=%) -o $@ $^ $(DPDK_LIBS) $(TRANSPORT_LIBS)

# One end of the demo alone, which another version's can be put beside (tests/compat).
$(BUILD)/compat-end: $(BUILD)/obj/tests/compat/end.o $(call room,$(addprefix xl-plugin/,demo screen cli) transport/sim) $(DPDK)
	@$(call say,LD)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(DPDK_LIBS) $(TRANSPORT_LIBS) $(CLI_LIBS)

# What watches a guest's arrival, with a guest that is made of files.
$(BUILD)/arrival-guest: $(BUILD)/obj/tests/e2e/arrival-guest.o $(call room,xl-plugin/arrival) $(BASE)
	@$(call say,LD)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^

# A port by itself, which is told what to do.
$(BUILD)/group-port: $(BUILD)/obj/tests/e2e/group-port.o $(DPDK)
	@$(call say,LD)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(DPDK_LIBS) $(TRANSPORT_LIBS)

FUZZ_ROOMS = $(call room,xl-plugin/handover xl-plugin/plugin/pv xl-plugin/plugin dpdk) $(SIM)
FUZZ_LIBS = $(TRANSPORT_LIBS)
$(foreach n,$(FUZZ_XEN),$(BUILD)/fuzz/fuzz_$(n) $(BUILD)/fuzz/replay_$(n)): private FUZZ_LIBS += $(DPDK_LIBS) $(XEN_LIBS) -ldl -ljson-c

$(BUILD)/fuzz/fuzz_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(FUZZ_ROOMS)
	@mkdir -p $(@D)
	@$(call say,LD)
	$(Q)$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ $(FUZZ_LIBS)

$(BUILD)/fuzz/replay_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(BUILD)/obj/tests/fuzz/replay.o $(FUZZ_ROOMS)
	@mkdir -p $(@D)
	@$(call say,LD)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(FUZZ_LIBS)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
