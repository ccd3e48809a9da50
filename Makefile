# The commands one needs. `make demo` and `make test` want root; both install what is missing and say what cannot be had.

export PATH := $(PATH):$(HOME)/.cargo/bin

target = $$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')

# Rounds of `make bench-bgp`, `make bench-ipam` and `make bench-policy`: a figure is their median. BENCH: more of their options, as
# `BENCH="--work full-table --assert"`.
ROUNDS ?= 5

# How long each fuzz target runs.
FUZZ_SECONDS ?= 60

.PHONY: help demo demo-down test fuzz lint fmt bench-bgp bench-ipam bench-policy

help:
	@echo "make demo         a fabric on this machine, every claim checked; KEEP=1 leaves it up"
	@echo "make demo-down    take down what KEEP=1 left up"
	@echo "make test         packages, lints and every test, with real routers and kernels"
	@echo "make bench-bgp    the BGP speaker beside BIRD and FRR; ROUNDS=1 for a quick look, BENCH=--help for more"
	@echo "make bench-ipam   addresses through an agent beside the bare datastores and host-local; the same options"
	@echo "make bench-policy what policy costs, beside nft and bare netlink messages; the same options"
	@echo "make fuzz         the speaker's decoders under random input; FUZZ_SECONDS=60 for each of them"
	@echo "make lint         formatting, lints, licences"
	@echo "make fmt          format the code"

demo:
	@integration/setup/toolchain
	@integration/setup/packages demo
	@cargo build --workspace --bins
	@"$(target)/debug/fabric-demo" $(if $(filter-out 0,$(KEEP)),--keep)

demo-down:
	@integration/setup/toolchain
	@cargo build --quiet -p integration --bin fabric-demo
	@"$(target)/debug/fabric-demo" down

test:
	@integration/setup/test

bench-bgp:
	@integration/setup/toolchain
	@integration/setup/packages demo
	@cargo bench --quiet -p integration --bench bgp -- --rounds $(ROUNDS) $(BENCH)

bench-ipam:
	@integration/setup/toolchain
	@integration/setup/packages bench-ipam
	@cargo build --quiet --release -p felix-agent -p fabricctl --bins
	@cargo bench --quiet -p integration --bench ipam -- --rounds $(ROUNDS) $(BENCH)

bench-policy:
	@integration/setup/toolchain
	@integration/setup/packages demo
	@cargo build --quiet --release -p felix-agent -p fabricctl -p fabric-cni --bins
	@cargo bench --quiet -p integration --bench policy -- --rounds $(ROUNDS) $(BENCH)

fuzz:
	@integration/setup/toolchain
	@integration/setup/fuzz "$(FUZZ_SECONDS)"

lint:
	@integration/setup/toolchain
	@integration/setup/lint

fmt:
	@cargo fmt --all
	@cargo fmt --manifest-path bgp/fuzz/Cargo.toml
