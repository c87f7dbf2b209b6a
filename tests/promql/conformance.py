#!/usr/bin/env python3
"""Prometheus's own PromQL tests against the program, over HTTP, with samples from 1970 on that are
loaded out of order by remote write.

    conformance.py CQED DIR [FILE...]

DIR holds run.py and its *.test files (DIR/README.md); without FILEs all are run, each eval repeated
as run.py does. Exit 77 when DIR is not there."""

import os
import pathlib
import subprocess
import sys
import tempfile


def main():
    cqed, folder, files = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    if not (folder / 'run.py').exists():
        print(f'{folder}/run.py is not there')
        return 77
    with tempfile.TemporaryDirectory(prefix='cqed-conformance-') as work:
        config = os.path.join(work, 'cqed.yaml')
        with open(config, 'w') as f:
            f.write('storage: { retention: 0s, outOfOrderWindow: 100y }\n')
        start = f'{cqed} serve -c {config} --listen 127.0.0.1:{{port}} --data {{dir}}'
        quick = ['--quick'] if files else []
        return subprocess.run([sys.executable, folder / 'run.py', '--list-failures', '--start', start,
                               *quick, *(folder / f for f in files or ['.'])]).returncode


if __name__ == '__main__':
    sys.exit(main())
