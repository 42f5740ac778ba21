# The whole life of a checkout.  `make quickstart` and `make check` are all that a fresh machine needs.
BUILD ?= build
CONFIG ?=

.PHONY: quickstart build check bench fuzz lint clean install deb

quickstart: ## install what is missing, build, run the gateway over its own management API
	@tools/deps build
	@$(MAKE) --no-print-directory build
	@$(BUILD)/sallyport quickstart

build: $(BUILD)/build.ninja ## the release profile: build/sallyport
	@ninja -C $(BUILD) --quiet

$(BUILD)/build.ninja:
	@tools/deps build
	@meson setup $(BUILD) --buildtype=release -Db_lto=true -Dhardening=true -Dtests=false >/dev/null

check: ## install what the tests need, run all of them
	@tools/deps build test
	@python3 tests/run

bench: build ## against nginx, FastMCP and openssl speed; writes build/bench.json
	@tools/deps bench
	@python3 bench/run

fuzz: ## FUZZ_SECONDS (60) for every target, new findings into fuzz/corpus
	@tools/deps fuzz
	@tools/fuzz

lint:
	@python3 tools/lint

install: build
	@ninja -C $(BUILD) install

deb: ## a Debian package: build-deb/sallyport_*.deb
	@tools/deps build
	@packaging/deb

clean:
	@rm -rf build build-debug build-asan build-fuzz build-deb
