# xl-fast: see `make help`.
#
#   XEN=0      build without Xen's libraries: xl-fast with its demo, no plug-in
#   CC=clang   another compiler
#   BUILD=DIR  another build folder

BUILD ?= build
XEN ?= 1
PREFIX ?= /usr
DESTDIR ?=
LIBDIR ?= $(PREFIX)/lib/xl-fast
SAN ?=

PKG_CONFIG ?= pkg-config
OPT ?= -O2 -g
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
CFLAGS_ALL = -std=gnu11 -D_GNU_SOURCE -fPIC -pthread $(OPT) $(WARN) -MMD -MP \
	$(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all) $(CFLAGS)
LDFLAGS_ALL = -pthread $(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS)

# Each room may use its own libraries and no others (`make lint` checks the includes).
TRANSPORT_LIBS = -lIPSec_MB $(shell $(PKG_CONFIG) --libs liblz4 libxxhash)
DPDK_CFLAGS = $(subst -I,-isystem ,$(shell $(PKG_CONFIG) --cflags libdpdk))
DPDK_LIBS = $(shell $(PKG_CONFIG) --libs libdpdk)
XEN_LIBS = -lxenctrl -lxenguest -lxenforeignmemory -lxentoollog -lxlutil -lxentoolcore
CLI_LIBS = $(shell $(PKG_CONFIG) --libs json-c)

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard $(1)/*.c))
TRANSPORT_OBJS := $(call objects,transport)
DPDK_OBJS := $(call objects,dpdk)
CLI_OBJS := $(call objects,xl-plugin/cli)
PLUGIN_OBJS := $(call objects,xl-plugin/plugin)

PROGRAMS := $(BUILD)/xl-fast
ifeq ($(XEN),1)
PROGRAMS += $(BUILD)/libxlfast.so
endif

tests_of = $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/$(1)/*.c))
UNIT_TESTS := $(call tests_of,transport) $(call tests_of,dpdk)
ifeq ($(XEN),1)
UNIT_TESTS += $(call tests_of,xl-plugin)
endif

.PHONY: all setup demo check unit lab check-xen asan tsan fuzz lint format install clean help
.DELETE_ON_ERROR:
.SECONDARY:

all: $(PROGRAMS)

help:
	@echo 'make demo       migrate a simulated guest between two processes, here and now'
	@echo 'make check      all tests that need no Xen'
	@echo 'make lab        two real Xen hosts under QEMU, our build installed (scripts/lab)'
	@echo 'make check-xen  the Xen scenarios of tests/lab in that lab'
	@echo 'make            build $(PROGRAMS)'
	@echo 'make asan tsan  the tests under the sanitizers'
	@echo 'make fuzz       the fuzzers, SECONDS=N each (default 30)'
	@echo 'make lint format install clean'
	@echo 'variables: XEN=0 (without Xen), CC, BUILD, DESTDIR, PREFIX'

setup:
	@scripts/setup build $(if $(filter 1,$(XEN)),xen)

# The recipe calls make again, because what setup installs decides the flags above.
demo: setup
	@$(MAKE) --no-print-directory -s $(BUILD)/xl-fast
	$(BUILD)/xl-fast demo $(DEMO)

check: setup
	@scripts/setup check
	@$(MAKE) --no-print-directory all tests
	@XF_BUILD=$(BUILD) XEN=$(XEN) scripts/run-tests $(TESTS)

.PHONY: tests
tests: $(UNIT_TESTS)

# ThreadSanitizer and AddressSanitizer builds have folders of their own.
asan: setup
	@scripts/setup check
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SAN=address,undefined all tests
	@XF_BUILD=$(BUILD)/asan XEN=$(XEN) XF_SANITIZED=asan scripts/run-tests $(TESTS)

tsan: setup
	@scripts/setup check
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan SAN=thread all tests
	@XF_BUILD=$(BUILD)/tsan XEN=$(XEN) XF_SANITIZED=tsan scripts/run-tests $(TESTS)

lab: setup
	@$(MAKE) --no-print-directory all
	scripts/lab up
	scripts/lab install

check-xen: lab
	scripts/lab run

lint:
	@scripts/setup check
	scripts/lint

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf $(BUILD)/obj $(BUILD)/tests $(BUILD)/asan $(BUILD)/tsan $(PROGRAMS)

$(BUILD)/obj/dpdk/%.o $(BUILD)/obj/tests/unit/dpdk/%.o: private ROOM_CFLAGS = $(DPDK_CFLAGS)

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(ROOM_CFLAGS) -c -o $@ $<

$(BUILD)/xl-fast: $(CLI_OBJS) $(DPDK_OBJS) $(TRANSPORT_OBJS)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(DPDK_LIBS) $(TRANSPORT_LIBS) $(CLI_LIBS)

# Only the two functions that it takes over are visible.
$(BUILD)/libxlfast.so: $(PLUGIN_OBJS) $(DPDK_OBJS) $(TRANSPORT_OBJS) xl-plugin/plugin/exports.map
	$(CC) $(LDFLAGS_ALL) -shared -Wl,--version-script=xl-plugin/plugin/exports.map -o $@ \
		$(filter %.o,$^) $(DPDK_LIBS) $(TRANSPORT_LIBS) $(XEN_LIBS) -ldl

$(BUILD)/tests/transport/%: $(BUILD)/obj/tests/unit/transport/%.o $(TRANSPORT_OBJS)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(TRANSPORT_LIBS) -lcmocka

$(BUILD)/tests/dpdk/%: $(BUILD)/obj/tests/unit/dpdk/%.o $(DPDK_OBJS) $(TRANSPORT_OBJS)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(DPDK_LIBS) $(TRANSPORT_LIBS) -lcmocka

$(BUILD)/tests/xl-plugin/%: $(BUILD)/obj/tests/unit/xl-plugin/%.o $(PLUGIN_OBJS) $(DPDK_OBJS) $(TRANSPORT_OBJS)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(DPDK_LIBS) $(TRANSPORT_LIBS) $(XEN_LIBS) -ldl -lcmocka

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
