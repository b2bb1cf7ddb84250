# SPDX-License-Identifier: LGPL-2.1-or-later
# The commands of the README. The build itself is meson's: see meson.build.

BUILD   ?= build
DESTDIR ?=
# PREFIX=DIR is kept in the build folder; the first build without one takes /usr.

all: setup $(BUILD)/build.ninja
	$(if $(PREFIX),meson configure --prefix='$(PREFIX)' $(BUILD))
	ninja -C $(BUILD)

# Installs (or, where it may not, names) the packages that the build needs.
setup:
	@tools/setup.sh build

$(BUILD)/build.ninja:
	meson setup $(if $(PREFIX),--prefix='$(PREFIX)') $(BUILD)

# On real Xen in QEMU; where that cannot be had it says why and shows the simulated host.
demo: wished = +xenlab
demo: demo-build
	@examples/demo.py $(BUILD)

# On a simulated host: seconds.
demo-sim: demo-build
	@examples/demo-sim.sh $(BUILD)

demo-build:
	@tools/setup.sh build demo $(wished)
	@$(MAKE) -s --no-print-directory $(BUILD)/build.ninja
	@echo 'building xlvirt'
	@ninja -C $(BUILD) $$([ -t 1 ] || echo --quiet)

check:
	@tools/setup.sh build demo check xenlab
	@tests/run-checks.sh

# Against xl and libvirt's own driver, on real Xen in QEMU: four to seven hours. BENCH_XEN=--slow-runs=1 or --quick for less;
# BENCH_XEN='--add build/bench-xen/xen.json' goes on with one that was broken off.
bench-xen:
	@tools/setup.sh build xenlab
	@$(MAKE) -s --no-print-directory $(BUILD)/build.ninja
	@tests/bench/xen/bench-xen.py --build $(BUILD) $(BENCH_XEN)

install: all
	@d='$(DESTDIR)'; DESTDIR="$${d:+$$(realpath -m -- "$$d")}" meson install -C $(BUILD) --no-rebuild

format:
	git ls-files '*.c' '*.h' | xargs clang-format-14 -i

clean:
	rm -rf $(BUILD) build-asan build-tsan build-clang

.PHONY: all setup demo demo-sim demo-build check bench-xen install format clean
