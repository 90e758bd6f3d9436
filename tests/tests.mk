# SPDX-License-Identifier: Apache-2.0
# Everything that is not the program: tests, fuzzing, analysers, benchmarks.

PYTEST ?=
VENV := build/venv
BUILD = $(MAKE) --no-print-directory -j$(shell nproc)

# The fixture programs are static and small, so that they run in an image built FROM scratch.
PROGRAMS := build/programs/payload build/programs/worker build/programs/box
build/programs/%: tests/programs/%.c $(DEPS)/out/VERSIONS
	@mkdir -p $(@D)
	$(Q)$(DEPS)/bin/mcc -std=c17 -D_GNU_SOURCE -Os -static $< -o $@

tools:
	$(Q).ci/install test

$(VENV)/ready: .ci/venv .ci/requirements
	$(Q).ci/venv build

demo:
	$(Q).ci/install demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q).ci/venv build demo
	$(Q)tests/demo

test check: tools
	$(Q)$(BUILD) all FETCH=no
	$(Q)$(BUILD) all
	$(Q)$(MAKE) --no-print-directory arrow
	$(Q)$(MAKE) --no-print-directory arrow FETCH=no
	$(Q)$(BUILD) unit
	$(Q)$(MAKE) --no-print-directory -j2 $(VENV)/ready $(PROGRAMS) built-emulated built-address built-thread fuzzers
	@# Two at a time, the longest first; all is built by now.
	$(Q)$(MAKE) --no-print-directory -j2 address-others address-started others started emulated thread fuzz-briefly apart

# What builds for minutes, and asks nothing of the program under test.
APART := tests/e2e/run/test_packages.py tests/e2e/words/test_build.py tests/e2e/run/test_docker.py::test_the_readmes_image_of_the_source
apart: $(TARGET) $(PROGRAMS) $(VENV)/ready
	$(Q)$(E2E) $(APART)

fuzz-briefly:
	$(Q)$(MAKE) --no-print-directory fuzz TIME=3 DIFFERENTIAL="--batches 3 --time 600"

E2E = $(VENV)/bin/python -m pytest -q -p no:cacheprovider -rs
e2e: $(TARGET) $(PROGRAMS) $(VENV)/ready
	$(Q)$(E2E) tests/e2e $(PYTEST)

# The same in two halves that keep a core busy each: what is started, and the rest, which is fetched.
STARTED := tests/e2e/run tests/e2e/systems tests/e2e/confine tests/e2e/check tests/e2e/lock tests/e2e/words
OTHERS := tests/e2e $(addprefix --ignore ,$(STARTED))
started others: $(TARGET) $(PROGRAMS) $(VENV)/ready
started:
	$(Q)$(E2E) $(STARTED) $(addprefix --deselect ,$(APART))
others:
	$(Q)$(E2E) $(OTHERS) $(addprefix --deselect ,$(APART))

# Unit tests run under the sanitizers, with Debian's shared libraries.
UNIT_FLAGS := -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
UNIT_OBJECTS := $(patsubst %.c,build/unit/%.o,$(filter-out entry/main.c,$(SOURCES)))
UNITS := $(patsubst tests/unit/%.c,build/unit/%,$(wildcard tests/unit/*.c))

build/unit/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(STD) $(WARN) $(UNIT_FLAGS) -MMD -MP -c $< -o $@

build/unit/all.a: $(UNIT_OBJECTS)
	$(Q)rm -f $@; ar rcs $@ $^

build/unit/%: tests/unit/%.c build/unit/all.a
	$(Q)$(CC) $(STD) $(WARN) -Itests/unit $(UNIT_FLAGS) -MMD -MP $< -o $@ build/unit/all.a -lcmocka -lcurl -linih -lcap -lyajl -lssl -lcrypto -lpthread

unit: $(UNITS)
	$(Q)python3 tests/meta/covered.py
	$(Q)for unit in $(UNITS); do echo "== $$unit"; $$unit || exit 1; done

-include $(UNIT_OBJECTS:.o=.d)

# One target a parser. clang's libFuzzer; the corpus is in the tree.
FUZZ_FLAGS := -g -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
FUZZ_OBJECTS := $(patsubst %.c,build/fuzz/%.o,$(filter-out entry/main.c,$(SOURCES)))
FUZZERS := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/*.c))

build/fuzz/%.o: %.c
	@mkdir -p $(@D)
	$(Q)clang $(STD) $(WARN) $(FUZZ_FLAGS) -MMD -MP -c $< -o $@

build/fuzz/all.a: $(FUZZ_OBJECTS)
	$(Q)rm -f $@; ar rcs $@ $^

build/fuzz/%: tests/fuzz/%.c build/fuzz/all.a
	$(Q)clang $(STD) $(WARN) $(FUZZ_FLAGS) -fsanitize=fuzzer $< -o $@ build/fuzz/all.a -lcurl -linih -lcap -lyajl -lssl -lcrypto -lpthread

-include $(FUZZ_OBJECTS:.o=.d)

# The same files in each run of the tests; `make fuzz` goes on for as long as it is told to.
DIFFERENTIAL ?= --time $(TIME)
differential: $(TARGET) $(VENV)/ready
	$(Q)build/venv-readers/bin/python tests/fuzz/differential.py --aweigh $(TARGET) --quiet $(DIFFERENTIAL)

fuzz: tools
	$(Q)$(BUILD) fuzzers
	$(Q)$(MAKE) --no-print-directory differential
	$(Q)for fuzzer in $(FUZZERS); do name=$$(basename $$fuzzer); echo "== $$name"; mkdir -p build/fuzz/corpus/$$name tests/fuzz/corpus/$$name; \
		$$fuzzer -max_total_time=$(TIME) -max_len=65536 -rss_limit_mb=2048 -timeout=10 -print_final_stats=0 -verbosity=0 build/fuzz/corpus/$$name tests/fuzz/corpus/$$name || exit 1; done

.PHONY: fuzzers differential
fuzzers: $(FUZZERS)

# What runs in images of its own starts build/aweigh there, packages and builds are of that, real mounts and real libraries are slow: once, with the release.
IMAGES := --ignore tests/e2e/check/test_real_libraries.py $(foreach name,docker gvisor kubernetes podman systemd debian packages,--ignore tests/e2e/run/test_$(name).py) --ignore tests/e2e/fetch/test_fetch_storages.py --ignore tests/e2e/words/test_build.py

# The other architecture's executable under an emulator: what it reads, fetches, locks and starts. Landlock, seccomp and
# the dispositions of signals are the emulator's there, and what asks about them is left out.
OTHER := $(firstword $(filter-out $(NATIVE),arm64 amd64))
EMULATOR := qemu-$(patsubst %-linux-gnu,%,$(TRIPLE_$(OTHER)))-static
EMULATED := $(addprefix tests/e2e/,check/test_families.py check/test_oracle.py check/test_hostile.py fetch/test_fetch_answers.py run/test_exec.py run/test_probe.py lock/test_draft.py) \
	-k "not landlock_withheld and not a_pause_until and not everything_is_as_without and not mask_and_dispositions"
built-emulated: tools
	$(Q)$(BUILD) all ARCH=$(OTHER)
	$(Q)$(BUILD) all ARCH=$(OTHER) FETCH=no

emulated: built-emulated $(PROGRAMS) $(VENV)/ready
	$(Q)$(EMULATOR) build/$(OTHER)/nofetch/aweigh --version
	$(Q)printf '#!/bin/sh\nexec $(EMULATOR) $(CURDIR)/build/$(OTHER)/aweigh "$$@"\n' >build/$(OTHER)/emulated && chmod +x build/$(OTHER)/emulated
	$(Q)AWEIGH=$(CURDIR)/build/$(OTHER)/emulated $(E2E) $(EMULATED)

sanitize: address thread

built-address: tools
	$(Q)$(BUILD) all SANITIZE=address,undefined

built-thread: tools
	$(Q)$(BUILD) all SANITIZE=thread

address: address-started address-others
address-started address-others: built-address $(PROGRAMS) $(VENV)/ready
address-started:
	$(Q)AWEIGH=$(CURDIR)/build/sanitize-address-undefined/aweigh $(E2E) $(STARTED) $(IMAGES)
address-others:
	$(Q)AWEIGH=$(CURDIR)/build/sanitize-address-undefined/aweigh $(E2E) $(OTHERS) $(IMAGES)

thread: built-thread
	$(Q)TSAN_OPTIONS=halt_on_error=1 AWEIGH=$(CURDIR)/build/sanitize-thread/aweigh $(MAKE) --no-print-directory e2e PYTEST='$(IMAGES) -k "(test_fetch or verify_digest) and not passthrough"'

# The fetches that the tests begin a few times: 125 times each of four, on a disk and on a slow one.
stress: built-thread
	$(Q)AWEIGH_STRESS=125 TSAN_OPTIONS=halt_on_error=1 AWEIGH=$(CURDIR)/build/sanitize-thread/aweigh $(E2E) tests/e2e/fetch/test_fetch_stress.py

.PHONY: apart fuzz-briefly started others address address-started address-others thread stress built-emulated built-address built-thread

bench: $(TARGET) $(PROGRAMS) $(VENV)/ready
	$(Q)$(VENV)/bin/python tests/bench/bench.py $(BENCH)

# Which files use which: the calls of the objects, against the order of the directories.
arrow: $(TARGET)
	$(Q)python3 tests/meta/arrow.py build/$(VARIANT)

golden: $(TARGET) $(VENV)/ready
	$(Q)AWEIGH_GOLDEN=write $(VENV)/bin/python -m pytest -q -p no:cacheprovider tests/e2e/words/test_golden.py tests/e2e/words/test_reports.py -k golden

lint: tools compile_commands.json
	$(Q)$(MAKE) --no-print-directory arrow
	$(Q)cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --inline-suppr --suppress=missingIncludeSystem \
		-D_GNU_SOURCE -D__x86_64__ -Iinclude -Ichecks -Ientry checks entry
	$(Q)clang-tidy --quiet -p build $(SOURCES)

compile_commands.json:
	@mkdir -p build
	$(Q)python3 -c 'import json,sys,os; print(json.dumps([{"directory": os.getcwd(), "file": f, "command": "clang $(STD) -DAWEIGH_SHA256_PAIRS $(WARN) -c " + f} for f in sys.argv[1:]], indent=1))' $(SOURCES) >build/compile_commands.json

format:
	$(Q)clang-format -i $(SOURCES) $(NONE) $(wildcard include/*.h checks/*.h checks/*/*.h entry/*.h entry/*/*.h entry/*/*/*.h tests/*/*.c tests/*/*.h)
