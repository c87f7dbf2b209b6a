#!/usr/bin/env python3
"""Prometheus's own PromQL tests against the program, over HTTP, with samples from 1970 on that are
loaded out of order by remote write.

    conformance.py CQED DIR [FILE...]

DIR holds run.py and its *.test files (DIR/README.md); without FILEs all are run, each eval repeated
as run.py does. Exit 77 when DIR is not there. Evals that touch native histograms, or are of
experimental functions, are counted and may fail; all others must pass."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

MUST_PASS = ('plain', 'annotations-only')


def main():
    cqed, folder, files = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    if not (folder / 'run.py').exists():
        print(f'{folder}/run.py is not there')
        return 77
    with tempfile.TemporaryDirectory(prefix='cqed-conformance-') as work:
        config, out = os.path.join(work, 'cqed.yaml'), os.path.join(work, 'out.json')
        with open(config, 'w') as f:
            f.write('storage: { retention: 0s, outOfOrderWindow: 100y }\n')
        start = f'{cqed} serve -c {config} --listen 127.0.0.1:{{port}} --data {{dir}}'
        quick = ['--quick'] if files else []
        done = subprocess.run([sys.executable, folder / 'run.py', '--start', start, '--json', out,
                               *quick, *(folder / f for f in files or ['.'])])
        if done.returncode > 1:
            return done.returncode
        with open(out) as f:
            results = json.load(f)['results']
    failed = [r for r in results if r['category'] in MUST_PASS and r['status'] != 'pass']
    ran = [r for r in results if r['category'] in MUST_PASS]
    for r in failed:
        print(f"{r['file']}:{r['line']}: {r['expr']}: {r['kind']}")
    return 0 if ran and not failed else 1


if __name__ == '__main__':
    sys.exit(main())
