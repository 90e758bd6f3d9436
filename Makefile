# SPDX-License-Identifier: Apache-2.0
# aweigh. `make` gives build/aweigh, `make help` lists the rest.

# Switches, and what belongs to the user.
comma := ,
FETCH ?= yes
SANITIZE ?=
DEVELOPER ?= 0
V ?= 0
TIME ?= 60
PREFIX ?= /usr/local
DESTDIR ?=
CC ?= gcc
STRIP ?= strip
# Speed for the gate, size for the build that has no network code: of gcc 12's passes those that make it larger are left out.
CFLAGS ?= $(if $(filter no,$(FETCH)),$(shell cat .ci/smallest) $(if $(filter amd64,$(ARCH)),-malign-data=abi),-O2)
LDFLAGS ?=

# What runs once, for people, is small rather than fast.
RARE = $(wildcard entry/*.c entry/commands/*.c entry/report/*.c entry/service/*.c entry/gate/*.c entry/launch/*.c entry/confine/*.c entry/fetch/http/*.c entry/fetch/hub/*.c entry/fetch/store/*.c checks/families/*.c checks/system/*.c)
SMALL = $(if $(filter -O2,$(CFLAGS)),-Os)

# This machine's architecture, or another by Debian's cross compiler, in a folder of its own: make ARCH=arm64.
TRIPLE_amd64 := x86_64-linux-gnu
TRIPLE_arm64 := aarch64-linux-gnu
NATIVE := $(shell dpkg --print-architecture)
ARCH := $(NATIVE)
CROSS := $(if $(filter-out $(NATIVE),$(ARCH)),$(or $(TRIPLE_$(ARCH)),$(error ARCH=$(ARCH): amd64 and arm64 can be built for)))
OUT := build$(if $(CROSS),/$(ARCH))

# What the build needs survives `make CFLAGS=-O0`.
DEPS := $(OUT)/deps
STD := -std=c17 -D_GNU_SOURCE -Iinclude -Ichecks -Ientry
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings \
	-Wcast-qual -Wformat=2 -Wundef -Wvla -Wswitch-enum -Wimplicit-fallthrough
HARDEN := -ffunction-sections -fdata-sections -fstack-protector-strong -fno-common
ifeq ($(DEVELOPER),1)
WARN += -Werror
endif
ifeq ($(FETCH),no)
NETLIBS :=
else
NETLIBS := -lcurl -lcares -lssl
endif
Q := $(if $(filter 1,$(V)),,@)

CHECKS := $(wildcard checks/*.c checks/*/*.c)
ENTRY := $(wildcard entry/*.c entry/*/*.c entry/*/*/*.c)
FORMS := junit sarif tap github markdown gcp
# What a build that only checks and starts leaves out, and what stands in its place there.
LEFT_OUT := entry/fetcher.c entry/report/progress.c entry/report/watched.c entry/gate/seen.c entry/gate/drafting.c entry/gate/draft_text.c entry/gate/opened.c $(FORMS:%=entry/report/%.c) \
	entry/fetch/% entry/report/lock% $(filter-out %/target.c %/patterns.c %_none.c,$(wildcard entry/service/*.c)) \
	entry/gate/refetch.c entry/gate/locking.c entry/confine/observe.c $(foreach c,lock smoke watching draft,entry/commands/$c.c)
NONE := $(wildcard entry/*/*_none.c)
ENTRY := $(filter-out $(if $(filter no,$(FETCH)),$(LEFT_OUT),$(NONE)),$(ENTRY))
SOURCES := $(CHECKS) $(ENTRY)

# A variant has a folder of its own: objects of release, sanitizer and fuzz builds live side by side.
ifneq ($(SANITIZE),)
VARIANT := sanitize-$(subst $(comma),-,$(SANITIZE))
VARIANT_CC := $(CC)
VARIANT_FLAGS := -g -O1 -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
VARIANT_LINK := -fsanitize=$(SANITIZE) $(if $(filter no,$(FETCH)),,-lcurl) -linih -lcap -lyajl $(if $(filter no,$(FETCH)),,-lssl) -lcrypto -lpthread
TARGET := build/$(VARIANT)/aweigh
else
VARIANT := $(if $(CROSS),$(ARCH)/)$(if $(filter no,$(FETCH)),nofetch,release)
VARIANT_CC := $(DEPS)/bin/mcc
VARIANT_FLAGS := -I$(DEPS)/out/include -fno-pie -fno-asynchronous-unwind-tables -ffile-prefix-map=$(CURDIR)=.
VARIANT_LINK := -static -no-pie -Wl,--gc-sections -Wl,-z,relro,-z,now -Wl,-z,noseparate-code -Wl,--build-id=none -Wl,-T,.ci/no-unwind.ld \
	$(if $(filter no,$(FETCH)),$(DEPS)/out/lib/small/sha*.o -L$(DEPS)/out/lib/small) -L$(DEPS)/out/lib $(NETLIBS) -linih -lcap -lyajl -lcrypto
# yajl hands numbers over as text (yajl_number), so the reader of floating point that it names is never called.
VARIANT_LINK += $(if $(filter no,$(FETCH)),-Wl$(comma)--defsym=strtod=abort)
TARGET := $(OUT)/$(if $(filter no,$(FETCH)),nofetch/)aweigh
ifneq ($(CROSS),)
STRIP := $(CROSS)-strip
endif
# A function of the pinned OpenSSL that its shared library does not show; 15 kB, so not where size is all.
VARIANT_FLAGS += $(if $(filter no,$(FETCH)),-DAWEIGH_NO_FETCH,-DAWEIGH_SHA256_PAIRS)
endif
OBJECTS := $(SOURCES:%.c=build/$(VARIANT)/%.o)
# It stands for a function of the C library: nothing that is optimized at the end may take it for its own.
build/$(VARIANT)/entry/process/strstr_none.o: CFLAGS += -fno-lto -fno-builtin

.PHONY: all binaries completion deb image release help demo test check unit e2e arrow golden install uninstall sanitize emulated fuzz stress bench lint format clean tools dist compile_commands.json
all: $(TARGET)

help:
	@echo 'make                 build/aweigh: one static executable'
	@echo 'make demo            install what is missing, build, and show the main job'
	@echo 'make test            install what is missing, and pass every test'
	@echo 'make FETCH=no        build/nofetch/aweigh, without any network code'
	@echo 'make SANITIZE=address,undefined    a development build with sanitizers'
	@echo 'make unit e2e        parts of the tests; PYTEST="-k name" selects'
	@echo 'make emulated        the other architecture, cross built, and its core under an emulator'
	@echo 'make golden          write the golden files anew, for review as a diff'
	@echo 'make fuzz TIME=60    each fuzz target for so many seconds'
	@echo 'make stress          1,000 fetches under the thread sanitizer'
	@echo 'make bench           speed beside tini-static, Python and sha256sum'
	@echo 'make lint format     findings of the analysers; clang-format'
	@echo 'make install DESTDIR= PREFIX=/usr/local'
	@echo 'make ARCH=arm64      build/arm64/aweigh, by the cross compiler that .ci/install cross installs'
	@echo 'make deb image       Debian packages; an image for COPY --from as an OCI layout; of ARCHES="amd64 arm64"'
	@echo 'make release         both, the source, a bill of materials and checksums, in build/release-files'
	@echo 'make dist clean compile_commands.json'
	@echo 'switches: CC CFLAGS LDFLAGS DEVELOPER=1 (warnings are errors) V=1 (shows commands)'

$(DEPS)/out/VERSIONS: .ci/deps .ci/sources .ci/smallest
	$(Q).ci/install --check $(if $(CROSS),cross,build)
	$(Q).ci/deps $(DEPS) $(ARCH)
	@touch $@

# A change of flags rebuilds.
build/$(VARIANT)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(VARIANT_CC) $(STD) $(WARN) $(CFLAGS) $(HARDEN) $(VARIANT_FLAGS) $(LDFLAGS) $(VARIANT_LINK)' | cmp -s - $@ || \
		echo '$(VARIANT_CC) $(STD) $(WARN) $(CFLAGS) $(HARDEN) $(VARIANT_FLAGS) $(LDFLAGS) $(VARIANT_LINK)' >$@
FORCE:

build/$(VARIANT)/%.o: %.c build/$(VARIANT)/flags $(if $(SANITIZE),,$(DEPS)/out/VERSIONS)
	@mkdir -p $(@D)
	@$(if $(Q),echo '  CC      $<')
	$(Q)$(VARIANT_CC) $(STD) $(WARN) $(CFLAGS) $(if $(filter $(RARE),$<),$(SMALL)) $(HARDEN) $(VARIANT_FLAGS) -MMD -MP -c $< -o $@

$(TARGET): $(OBJECTS) .ci/no-unwind.ld
	@$(if $(Q),echo '  LINK    $@')
	$(Q)$(VARIANT_CC) $(CFLAGS) $(HARDEN) $(OBJECTS) $(LDFLAGS) $(VARIANT_LINK) -o $@
	$(if $(SANITIZE),,$(Q)$(STRIP) -s $@)

-include $(OBJECTS:.o=.d)
include tests/tests.mk

# For bash, zsh and fish, from the help of the program itself.
COMPLETIONS := build/completion/aweigh build/completion/_aweigh build/completion/aweigh.fish
completion: $(COMPLETIONS)
build/completion/aweigh: SHELL_OF = bash
build/completion/_aweigh: SHELL_OF = zsh
build/completion/aweigh.fish: SHELL_OF = fish
# The program that runs here, whatever else is being built.
ifneq ($(TARGET),build/aweigh)
build/aweigh: FORCE
	$(Q)$(MAKE) --no-print-directory all ARCH=$(NATIVE) FETCH=yes SANITIZE=
endif
$(COMPLETIONS): build/aweigh .ci/completion
	@mkdir -p $(@D)
	$(Q).ci/completion build/aweigh $(SHELL_OF) >$@

install: all completion
	install -D -m 0755 $(TARGET) $(DESTDIR)$(PREFIX)/bin/aweigh
	install -D -m 0644 docs/aweigh.1 $(DESTDIR)$(PREFIX)/share/man/man1/aweigh.1
	install -D -m 0644 docs/aweigh-policy.5 $(DESTDIR)$(PREFIX)/share/man/man5/aweigh-policy.5
	install -D -m 0644 build/completion/aweigh $(DESTDIR)$(PREFIX)/share/bash-completion/completions/aweigh
	install -D -m 0644 build/completion/_aweigh $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_aweigh
	install -D -m 0644 build/completion/aweigh.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/aweigh.fish

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/aweigh $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_aweigh \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/aweigh.fish
	rm -f $(DESTDIR)$(PREFIX)/bin/aweigh $(DESTDIR)$(PREFIX)/share/man/man1/aweigh.1 $(DESTDIR)$(PREFIX)/share/man/man5/aweigh-policy.5

# Packages, the image for COPY --from, and what goes beside them, for each of ARCHES, this machine's first: docker load
# of older engines takes that.
ARCHES ?= $(NATIVE) $(filter-out $(NATIVE),amd64 arm64)
RELEASE := build/release-files
folder = build$(if $(filter-out $(NATIVE),$(1)),/$(1))
binaries:
	$(Q)for arch in $(ARCHES); do $(MAKE) --no-print-directory all ARCH=$$arch FETCH=yes SANITIZE= && $(MAKE) --no-print-directory all ARCH=$$arch FETCH=no SANITIZE= || exit 1; done

deb: binaries
	$(Q)$(MAKE) --no-print-directory completion ARCH=$(NATIVE) FETCH=yes SANITIZE=
	$(Q)set -e; $(foreach a,$(ARCHES),for package in aweigh aweigh-nofetch; do .ci/deb $$package $(a) $(call folder,$(a)) $(RELEASE); done; )

image: binaries
	$(Q).ci/image $(RELEASE)/aweigh-image.tar $(foreach a,$(ARCHES),$(a)=$(call folder,$(a)))
	$(Q)set -e; $(foreach a,$(ARCHES),.ci/sbom $(call folder,$(a)) >$(RELEASE)/aweigh_$(a).cdx.json; )

release: deb image dist
	$(Q)cp build/aweigh.tar.gz $(RELEASE)/aweigh.tar.gz
	$(Q)cd $(RELEASE) && sha256sum aweigh*.deb aweigh-image.tar aweigh_*.cdx.json aweigh.tar.gz >SHA256SUMS

dist:
	git archive --prefix=aweigh/ -o build/aweigh.tar.gz HEAD

clean:
	rm -rf $(filter-out build/deps build/amd64 build/arm64 build/amd64/deps build/arm64/deps,$(wildcard build/* build/amd64/* build/arm64/*))
