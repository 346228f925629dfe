# One command for everything; `make help` lists the targets.
#
# Needs a Debian 12 with `apt-get install python3-venv python3-dev gcc make`. The rest comes from
# PyPI into .venv of this checkout. Targets that need more (a fuzzer, foreign clients) install it with apt-get when
# they may and say what is missing when they may not.
#
# Python sources are used where they lie (an editable install), and the extension modules are built
# beside their sources by ninja, which rebuilds only what changed.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON3 ?= $(firstword $(wildcard /usr/bin/python3) python3)
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
PYTHON := $(BIN)/python
export PATH := $(BIN):$(PATH)

JOBS ?= $(shell nproc)
LISTEN ?= 127.0.0.1:9092
DATA ?= data
SECONDS_EACH ?= 60
COUNT ?= 200
SECONDS ?= 3600
# What the model is tried with takes about as long as the ingest before it.
MODEL_EXAMPLES = $(shell expr $(SECONDS) \* 2 + 60)
GB ?= 20
FRAMES ?= 100000
RUNS ?= 3
ROWS ?=
VERSIONS ?=
PRESET ?= asan
AGAINST ?=
KAFKA_LIBS ?= build/kafka/libs
export MEGHNA_KAFKA_LIBS := $(abspath $(KAFKA_LIBS))

# The sanitizers of gcc 12 and clang 14 find no place for themselves where a kernel scatters
# addresses over more bits than this.
CALM := $(shell [ "$$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 0)" -le 28 ] || \
          echo setarch $$(uname -m) -R)

ANALYZED = $(patsubst native/%,%,$(filter-out native/tests/% native/fuzz/%,$(wildcard native/*/*.c)))

.PHONY: help build run test lint tidy analyze native-test python-test bench bench-library \
        bench-kafka bench-recovery fuzz kill-test \
        hostile interop librdkafka-suite messages test-arm test-musl build-macos build-musl \
        pythons package-test power-test fault-test damage-test compaction-test reproduced kafka-directories soak large-scan asan-test power-cut-test disk-test clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "%-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- build -----------------------------------------------------------------------------------

# The stamp stands inside .venv, so that removing .venv is enough to begin again.
$(VENV)/.installed: pyproject.toml
	@$(PYTHON3) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer"'
	[ -x $(PYTHON) ] || $(PYTHON3) -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --upgrade pip
	$(PYTHON) -m pip install --quiet --config-settings=wheel.cmake=false \
	    --config-settings=editable.mode=inplace --editable '.[dev]'
	touch $@

build/ext/build.ninja: $(VENV)/.installed CMakeLists.txt native/CMakeLists.txt
	cmake -S . -B build/ext -G Ninja -DCMAKE_BUILD_TYPE=Release -DMEGHNA_INPLACE=ON \
	    -DPython_EXECUTABLE=$(PYTHON)
	touch $@

build: build/ext/build.ninja ## create .venv with everything and build the extension modules
	@cmake --build build/ext -j $(JOBS)

run: build ## start a broker on LISTEN (127.0.0.1:9092) with its data in DATA (data/)
	$(BIN)/meghna serve --listen $(LISTEN) --data $(DATA)

# --- tests -----------------------------------------------------------------------------------

test: build lint native-test python-test ## style, C tests under ASan and UBSan, Python tests

lint: $(VENV)/.installed ## ruff and mypy --strict
	ruff check .
	ruff format --check -q .
	mypy

tidy: $(VENV)/.installed ## the rules of docs and house style that a program can check
	$(PYTHON) -m pytest -q tests/test_tidy.py

native-test: $(VENV)/.installed ## the C unit tests; PRESET=debug|release|asan|tsan
	cd native && cmake --preset $(PRESET) >build-$(PRESET).log || { cat build-$(PRESET).log; exit 1; }
	@rm -f native/build-$(PRESET).log
	cd native && cmake --build --preset $(PRESET) -j $(JOBS)
	cd native && $(CALM) ctest --preset $(PRESET) -j $(JOBS)

python-test: build
	$(PYTHON) -m pytest -q
	$(PYTHON) -m pytest -q --benchmark-disable benchmarks/bench_library.py

pythons: $(VENV)/.installed ## the package under each Python that is here; VERSIONS="3.12 3.13"
	$(PYTHON) tools/pythons.py $(VERSIONS)

package-test: $(VENV)/.installed ## sdist and wheel as others would build and install them
	$(PYTHON) -m pytest -q -m packaging tests/test_packaging.py

analyze: ## what gcc's analyzer says of the core: to be read, since gcc 12 also sees what is not there
	@cd native && for source in $(filter-out %_arm.c,$(ANALYZED)); do \
	    gcc -std=c11 -D_GNU_SOURCE -I. -O0 -fanalyzer -c "$$source" -o /dev/null; done

test-arm: $(VENV)/.installed ## cross-compile the core for ARMv8, run its base and batch tests under qemu
	tools/need.sh gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
	cd native && cmake --preset arm && cmake --build --preset arm -j $(JOBS)
	cd native && ctest --preset arm

test-musl: $(VENV)/.installed ## the C unit tests with musl's libc
	tools/need.sh musl-tools
	cd native && cmake --preset musl >/dev/null && cmake --build --preset musl -j $(JOBS)
	cd native && ctest --preset musl -j $(JOBS)

build-macos: ## compile and link the core for macOS, both processors (zig's clang, 100 MB)
	tools/cross.sh aarch64-macos.11.0 x86_64-macos.11.0

build-musl: ## the same for musl, and for the glibc of manylinux_2_28, both processors
	tools/cross.sh x86_64-linux-musl aarch64-linux-musl x86_64-linux-gnu.2.28 aarch64-linux-gnu.2.28

fuzz: $(VENV)/.installed ## every libFuzzer target for SECONDS_EACH (60)
	tools/need.sh clang libclang-rt-dev
	$(CALM) tools/fuzz.sh $(SECONDS_EACH)

kill-test: build ## COUNT (200) times SIGKILL under load; the delayed-disk test
	tools/need.sh strace
	MEGHNA_KILL_COUNT=$(COUNT) $(PYTHON) -m pytest -q -m reliability tests/reliability/test_kill.py \
	    tests/reliability/test_kill_changes.py tests/reliability/test_slow_disk.py

damage-test: COUNT = 200000
damage-test: build ## COUNT (200000) damaged logs: nothing wrong is read, nothing lost unsaid; also under ASan
	cd native && cmake --preset release >/dev/null && cmake --build --preset release --target damage_test
	native/build/release/damage_test $(COUNT)
	cd native && cmake --preset asan >/dev/null && cmake --build --preset asan --target damage_test
	native/build/asan/damage_test $$(( $(COUNT) / 20 ))
	MEGHNA_DAMAGE_COUNT=$$(( $(COUNT) / 40 )) \
	    $(PYTHON) -m pytest -q -s -m reliability tests/reliability/test_damage.py

power-test: COUNT = 500000
power-test: $(VENV)/.installed ## COUNT (500000) power cuts in memory, at every moment of random lives of a log; SEED=
	cd native && cmake --preset release >/dev/null && cmake --build --preset release --target power_explorer
	native/build/release/power_explorer $(COUNT) $(or $(SEED),$(shell date +%s))
	native/build/release/power_explorer lives $$(( $(COUNT) / 10 )) $(or $(SEED),$(shell date +%s))

fault-test: COUNT = 50000
fault-test: $(VENV)/.installed ## COUNT (50000) lives of a log in which a system call or an allocation fails; SEED=
	cd native && cmake --preset release >/dev/null && cmake --build --preset release --target fault_explorer
	cd native/build/release && ./fault_explorer $(COUNT) $(or $(SEED),$(shell date +%s))

compaction-test: COUNT = 40
compaction-test: $(VENV)/.installed ## compaction stopped at each file operation, COUNT (40) torn disks after each
	cd native && cmake --preset asan >/dev/null && cmake --build --preset asan --target compact_swap_test
	native/build/asan/compact_swap_test $(COUNT)

reproduced: build ## damage after which Apache Kafka's recovery loses records: none is lost here
	$(PYTHON) -m pytest -q -m "" tests/test_reproduced_behaviour.py

kafka-directories: build $(KAFKA_LIBS)/.fetched ## data directories from Apache Kafka to us and back
	command -v javac >/dev/null || tools/need.sh default-jdk-headless
	$(PYTHON) -m pytest -q -m interop tests/interop/test_kafka_directories.py \
	    tests/interop/test_producer_rules.py

power-cut-test: COUNT = 5000
power-cut-test: build ## COUNT (5000) power cuts of ext4 and XFS under a loaded broker, a fifth under the library; fsync failing; root
	tools/need.sh e2fsprogs xfsprogs || echo "a file system without its tools is left out"
	MEGHNA_CUT_COUNT=$(COUNT) $(PYTHON) -m pytest -q -s -rs -m reliability \
	    tests/reliability/test_power_cut.py tests/reliability/test_fsync_failure.py

disk-test: build ## disks that are full, slow or fail: the broker answers, and goes on when they do; root
	tools/need.sh e2fsprogs strace gcc pkg-config libfuse3-dev || echo "what needs them is left out"
	$(PYTHON) -m pytest -q -s -rs -m reliability tests/reliability/test_disk_full.py \
	    tests/reliability/test_slow_disk.py tests/reliability/test_dead_disk.py \
	    tests/reliability/test_failing_pages.py

soak: build ## an ingest for SECONDS (3600) through the library, retention behind it: memory is flat
	MEGHNA_SOAK_SECONDS=$(SECONDS) $(PYTHON) -m pytest -q -s -m soak tests/memory/test_soak.py
	MEGHNA_MODEL_EXAMPLES=$(MODEL_EXAMPLES) MEGHNA_MODEL_STEPS=50 $(PYTHON) -m pytest -q \
	    -o timeout=0 tests/engine/test_model.py

large-scan: build ## a topic of GB (20) is scanned in 300 MB of memory; takes that much disk
	MEGHNA_SCAN_GB=$(GB) $(PYTHON) -m pytest -q -s -m soak tests/memory/test_large_scan.py

asan-test: build ## the library's tests with the core under ASan and UBSan: nothing is used after its end
	cmake -S . -B build/asan-ext -G Ninja -DCMAKE_BUILD_TYPE=Debug \
	    -DMEGHNA_SANITIZE=address,undefined -DPython_EXECUTABLE=$(PYTHON) >/dev/null
	cmake --build build/asan-ext -j $(JOBS)
	tools/asan_test.sh build/asan-ext $(PYTHON) tests/engine tests/test_log.py tests/test_ingest.py \
	    tests/test_scan.py tests/test_batch.py

hostile: build ## FRAMES (100000) mutated frames at a live broker: always answering, memory flat
	MEGHNA_HOSTILE_FRAMES=$(FRAMES) $(PYTHON) -m pytest -q -s -m "" tests/security/test_hostile.py

# --- other people's programs -------------------------------------------------------------------

$(KAFKA_LIBS)/.fetched: tools/kafka/pom.xml
	tools/need.sh maven default-jre-headless
	mvn -q -B -f tools/kafka/pom.xml dependency:copy-dependencies \
	    -DoutputDirectory=$(abspath $(KAFKA_LIBS))
	touch $@

interop: build $(KAFKA_LIBS)/.fetched ## foreign clients against a live broker: Python, kcat, Java
	tools/need.sh kcat default-jre-headless
	$(PYTHON) -m pytest -q -m interop tests/interop

librdkafka-suite: build $(KAFKA_LIBS)/.fetched ## librdkafka's own broker tests; AGAINST=HOST:PORT for another broker
	command -v npm >/dev/null || tools/need.sh npm
	tools/need.sh g++ rapidjson-dev libssl-dev libsasl2-dev zlib1g-dev libzstd-dev \
	    liblz4-dev libcurl4-openssl-dev default-jre-headless
	$(PYTHON) tools/librdkafka_suite.py $(if $(AGAINST),--against $(AGAINST))

messages: build $(KAFKA_LIBS)/.fetched ## derive the message table from Kafka's jars again and compare
	$(PYTHON) tools/derive_messages.py --libs $(KAFKA_LIBS) --check

bench: build ## pytest-benchmark suites of the pieces
	$(PYTHON) -m pytest -q -m "" benchmarks/bench_*.py

$(VENV)/.bench: $(VENV)/.installed
	$(PYTHON) -m pip install --quiet --config-settings=wheel.cmake=false \
	    --config-settings=editable.mode=inplace --editable '.[bench]'
	touch $@

bench-library: build $(VENV)/.bench ## the library beside lmdb, sqlite3, RocksDB, Arrow; ROWS=name,name RUNS=3
	$(PYTHON) -m benchmarks.library --runs $(RUNS) --rows '$(ROWS)' \
	    --plot build/bench/library.svg

bench-kafka: build $(KAFKA_LIBS)/.fetched ## the broker beside Apache Kafka; ROWS=name,name RUNS=3
	tools/need.sh default-jre-headless librdkafka-dev pkg-config
	$(PYTHON) -m benchmarks.kafka --runs $(RUNS) --rows '$(ROWS)'

bench-recovery: build $(KAFKA_LIBS)/.fetched ## the first answer after SIGKILL and a power cut with RECOVERY_GB (5) of segments, beside Kafka
	tools/need.sh maven default-jre-headless
	mvn -q -B dependency:copy -Dartifact=org.apache.logging.log4j:log4j-slf4j-impl:2.25.4 \
	    -DoutputDirectory=$(abspath $(KAFKA_LIBS)/../logging)
	$(PYTHON) -m benchmarks.recovery --gigabytes $(or $(RECOVERY_GB),5) --runs $(RUNS)

clean: ## remove what was built; .venv and data stay
	rm -rf build native/build
	find src -name '*.so' -delete
