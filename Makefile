# The front door. CMake and Ninja do the building; presets are in CMakePresets.json.
#   make          the program, at build/cqed
#   make demo     the whole loop on this machine, with real parts; KEEP=1 leaves it running
#   make test     unit tests, text cases, simulations, corpora and end to end, under ASan and UBSan
#   make conformance  Prometheus's own PromQL tests over HTTP; CONFORMANCE says where they are
#   make check    everything that can be told without running it
#   make fuzz     every fuzz target for FUZZ_SECONDS (60) each
#   make tsan     the unit tests under ThreadSanitizer
#   make cover    the tests with coverage: a line a file, build/cover/html/index.html in colour
#   make bench    cQED, Prometheus and VictoriaMetrics side by side: CPU seconds, memory, restarts; a table; QUICK=1
#   make bench-blocks what a day of series takes on disk, beside Prometheus and VictoriaMetrics; SERIES (2000), HOURS (24)
#   make bench-judge  the judge against what people run, on fresh traces; SETS (2) of PER (40) traces a scenario, RUNS (0)
#   make differential  generated PromQL beside a Prometheus 3, which it builds from the Go module proxy unless PEER names one;
#                 SEED, QUERIES (2000)
.PHONY: all deps demo test conformance differential check fuzz tsan cover bench bench-blocks bench-judge clean

all: build/build.ninja
	@ninja -C build cqed

# Installing comes before configuring; it does nothing, in a blink, when everything is there.
deps:
	@tools/deps build

build/build.ninja: | deps
	@cmake --preset release >/dev/null

build/%/build.ninja: | deps
	@cmake --preset $* >/dev/null

demo: all
	@tools/deps demo
	@tools/libraries demo
	@node demo/run.mjs

test: build/asan/build.ninja
	@tools/deps test
	@ninja -C build/asan
	@ctest --test-dir build/asan --output-on-failure -j2

conformance: all
	@tests/promql/conformance.py build/cqed $${CONFORMANCE:-../shared/conformance/promql}

differential: all
	@PEER=$${PEER:-$$(tests/promql/differential/prometheus3)} && export PEER && \
	    CQED=build/cqed QUERIES=$${QUERIES:-2000} node --test tests/promql/differential/differential.test.mjs

check: deps
	@tools/deps check
	@tools/check

fuzz: deps
	@tools/deps check fuzz
	@tools/fuzz

tsan: build/tsan/build.ninja
	@tools/deps test
	@ninja -C build/tsan
	@ctest --test-dir build/tsan --output-on-failure -j2 -L unit

cover: build/cover/build.ninja
	@tools/deps test cover
	@ninja -C build/cover
	@tools/cover

bench: build/build.ninja
	@tools/deps bench
	@ninja -C build bench
	@node bench/run.mjs

bench-blocks: all
	@tools/deps bench
	@node bench/blocks.mjs

bench-judge: all
	@ninja -C build bench_judge_runs bench_judge_watch judge_exact
	@bench/judge/run

clean:
	@rm -rf build
