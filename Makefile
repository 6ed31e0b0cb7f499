# Everything that is done with this repository. One cargo profile (release) serves tests and use, so nothing is built twice.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
export PATH := $(PATH):$(HOME)/.cargo/bin

TARGET := $(or $(CARGO_TARGET_DIR),target)
export ROCKSDB_LIB_DIR := $(abspath $(TARGET))/lib
# Without the prebuilt library RocksDB is compiled. Asked when the recipe runs: what it depends on may just have brought it.
CARGO = $(shell test -e $(ROCKSDB_LIB_DIR)/librocksdb.so || echo ROCKSDB_COMPILE=1) cargo
# Each file and each folder with a main.rs in tests/ is a program; these two need a Kafka.
WITH_BROKER = broker kafka_adapter
PROGRAMS = $(patsubst tests/%.rs,%,$(wildcard tests/*.rs)) $(patsubst tests/%/main.rs,%,$(wildcard tests/*/main.rs))
WITHOUT_BROKER = --lib --bins $(addprefix --test ,$(filter-out $(WITH_BROKER),$(PROGRAMS)))
STATIC := $(TARGET)/static

.PHONY: help demo demo-kafka setup build test build-tests check fmt lint doc unit sim mutants fix run fuzz soak chaos broker broker-stop clean-broker release deb check-deb check-deploy check-fresh bench bench-quick guard

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## See it work, in one process and without Kafka (DEMO_ARGS: see goyt demo --help)
	$(TARGET)/release/goyt demo $(DEMO_ARGS)

demo-kafka: build setup ## The same on a real Kafka, with two workers, one of which is killed on the way
	scripts/kafka.sh run $(TARGET)/release/goyt demo --kafka $(DEMO_ARGS)

setup: ## Install what building and testing need, where that is allowed; else say what to install
	@scripts/setup.sh test

build: setup-build ## Build the binary: target/release/goyt
	$(CARGO) build --release --bins

test: build-tests ## Run all tests, on the Kafka at KAFKA_BOOTSTRAP_SERVERS, or on one that is started for it
	scripts/kafka.sh run $(CARGO) test --release

setup-build:
	@scripts/setup.sh build

build-tests: setup
	$(CARGO) test --release --no-run

check: fmt lint doc unit ## All that needs no Kafka: format, lints, documentation, tests

fmt: ## Check the format
	cargo fmt --check

lint: setup-build ## Check the lints
	$(CARGO) clippy --release --all-targets --quiet -- -D warnings

doc: setup-build ## Check the documentation of the code
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --no-deps --document-private-items --quiet

unit: setup-build ## Run the tests that need no Kafka
	$(CARGO) test --release --quiet $(WITHOUT_BROKER)

guard: setup-build ## Compare instructions and allocations of one event with benches/guard.txt (needs valgrind; UPDATE=1 writes it)
	UPDATE=$(UPDATE) scripts/guard.sh $(CARGO)

sim: build ## Run the shipped topologies under faults, SEEDS of them (1000)
	$(TARGET)/release/goyt sim topologies/ --seeds $(or $(SEEDS),1000)

mutants: setup-build ## Show that the simulation finds mistakes: a program that makes them is built (a few minutes)
	$(CARGO) test --release --features mutants --test simulation -- --nocapture mutants

fix: ## Format, and mend what the lints can mend
	cargo fmt
	$(CARGO) clippy --release --all-targets --fix --allow-dirty --allow-staged
	cargo fmt

run: build ## Run the topologies of this repository on the Kafka at KAFKA_BOOTSTRAP_SERVERS (localhost:9092)
	$(TARGET)/release/goyt run topologies/ --create-topics

fuzz: setup-build ## Fuzz each reader of bytes FUZZ_RUNS times (1000000); needs a nightly Rust, and builds everything once more for it
	scripts/fuzz.sh

soak: build-tests ## The test of instances that come, leave and are killed under load, with SOAK_CHANGES changes (20)
	SOAK_CHANGES=$(or $(SOAK_CHANGES),20) scripts/kafka.sh run $(CARGO) test --release --test broker scale::instance_changes -- --nocapture

# Each may be set in the environment.
CHAOS = CHAOS_KILLS=$(or $(CHAOS_KILLS),100) CHAOS_ZOMBIES=$(or $(CHAOS_ZOMBIES),20) CHAOS_BROKER_KILLS=$(or $(CHAOS_BROKER_KILLS),15) \
	CHAOS_LATE_END_TXN=$(or $(CHAOS_LATE_END_TXN),50) CHAOS_REQUESTS=$(or $(CHAOS_REQUESTS),45) \
	CHAOS_FULL_DISKS=$(or $(CHAOS_FULL_DISKS),10) CHAOS_CORRUPTIONS=$(or $(CHAOS_CORRUPTIONS),100)
CHAOS_REPORT = $(abspath $(TARGET))/chaos.txt

chaos: build-tests ## Faults on a real Kafka, each many times (about a quarter of an hour); one line for each is in target/chaos.txt
	@rm -f $(CHAOS_REPORT)
	$(CHAOS) CHAOS_REPORT=$(CHAOS_REPORT) scripts/kafka.sh run $(CARGO) test --release --no-fail-fast \
		--test broker --test kafka_adapter -- chaos:: late_requests:: ; status=$$?; cat $(CHAOS_REPORT); exit $$status

bench: setup ## Measure against Kafka Streams and the limit; writes docs/performance.md (over an hour; BENCH_PARTS: see bench/README.md)
	python3 bench/bench.py

bench-quick: setup ## The same, small and in minutes, to see that it works: target/bench/quick.md
	python3 bench/bench.py --quick

broker: setup ## Start a Kafka for development at 127.0.0.1:9092 (KAFKA_PORT, KAFKA_DATA: see scripts/kafka.sh)
	@scripts/kafka.sh start

broker-stop: ## Stop it
	@scripts/kafka.sh stop

clean-broker: ## Stop it and delete its data
	@scripts/kafka.sh clean

release: setup-build ## Build the binary with RocksDB compiled in (about 27 minutes on two cores, once): target/static/release/goyt
	ROCKSDB_COMPILE=1 CARGO_TARGET_DIR=$(STATIC) cargo build --release --bins

deb: build ## Make the Debian package, of the binary of make release if there is one: target/deb/goyt_*.deb
	scripts/deb.sh

check-deb: deb ## Install the package in a fresh Debian, use it, remove it (debootstrap, as root; about two minutes)
	scripts/check-deb.sh

check-fresh: ## Follow the README in a fresh Debian: make demo, then make test (debootstrap, as root; about fifteen minutes)
	scripts/check-fresh.sh

check-deploy: build ## Have kubectl render the manifests, and systemd verify the unit
	scripts/check-deploy.sh $(TARGET)/release/goyt
