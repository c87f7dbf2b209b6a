# The front door. CMake and Ninja do the building; presets are in CMakePresets.json.
.PHONY: all deps test check fuzz clean

all: build/build.ninja
	@ninja -C build

# Installing comes before configuring; it does nothing, in a blink, when everything is there.
deps:
	@tools/deps

build/build.ninja: | deps
	@cmake --preset release >/dev/null

build/asan/build.ninja: | deps
	@cmake --preset asan >/dev/null

# Unit tests, text cases and corpora under AddressSanitizer and UndefinedBehaviorSanitizer.
test: build/asan/build.ninja
	@ninja -C build/asan
	@ctest --test-dir build/asan --output-on-failure -j2

# Format, layers, headers that compile alone, warnings of two compilers.
check: deps
	@tools/check

clean:
	@rm -rf build
