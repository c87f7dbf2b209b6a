// The official OpenTelemetry SDK exports to otlp_receiver, gzipped, in both encodings; what the store then holds is
// compared. OTLP_RECEIVER names the program.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { OTLPMetricExporter as JsonExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as ProtobufExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AggregationTemporality, AggregationType, MeterProvider, PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';

const encodings = [['json', JsonExporter], ['protobuf', ProtobufExporter]];
let folder, receiver, url;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cqed-otlp-'));
  receiver = spawn(process.env.OTLP_RECEIVER, [folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [port] = await once(createInterface(receiver.stdout), 'line');
  url = `http://127.0.0.1:${port}`;
});

after(async () => {
  receiver.stdin.end();
  const [code] = await once(receiver, 'exit');
  await rm(folder, { recursive: true });
  assert.equal(code, 0);
});

// A service under this name, as SDK users set one up; export() waits until the receiver answered.
function service(name, Exporter, temporalityPreference, views = []) {
  const exporter = new Exporter({ url: `${url}/v1/metrics`, compression: 'gzip', temporalityPreference });
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3600_000 });
  const provider = new MeterProvider({
    resource: resourceFromAttributes({
      'service.name': name, 'service.namespace': 'shop', 'service.version': 'v2', 'service.instance.id': 'i-1',
      'host.arch': 'amd64',
    }),
    readers: [reader],
    views,
  });
  return {
    meter: provider.getMeter('app', '1.0'),
    async export() {
      await sleep(5); // a millisecond of its own for each export
      await provider.forceFlush();
    },
    stop: () => provider.shutdown(), // exports once more
  };
}

// The series of one job: {'name{a="b"}': [values in order of time]}, without the labels that all of them have.
async function held(job) {
  const series = {};
  for (const { labels, values } of await (await fetch(`${url}/series`)).json()) {
    const { __name__: name, job: owner, instance, version, ...rest } = labels;
    if (owner !== `shop/${job}`)
      continue;
    const { otel_scope_name: scope, otel_scope_version: scopeVersion, ...own } = rest;
    assert.equal(instance, 'i-1');
    if (name !== 'target_info')
      assert.deepEqual({ version, scope, scopeVersion }, { version: 'v2', scope: 'app', scopeVersion: '1.0' });
    series[`${name}{${Object.entries(own).map(([k, v]) => `${k}="${v}"`)}}`] = values;
  }
  return series;
}

const expected = {
  'http_requests_total{code="200"}': [0, 5, 7],
  'http_requests_total{code="500"}': [0, 1, 1],
  'queue_length{}': [3, 2],
  'cpu_utilization_ratio{}': [0.25, 0.5],
  'latency_seconds_bucket{le="0.1"}': [0, 1, 2],
  'latency_seconds_bucket{le="1"}': [0, 2, 3],
  'latency_seconds_bucket{le="+Inf"}': [0, 3, 4],
  'latency_seconds_count{}': [0, 3, 4],
  'latency_seconds_sum{}': [0, 2.5625, 2.625],
  'target_info{host_arch="amd64",service_version="v2"}': [1, 1],
};

for (const [encoding, Exporter] of encodings) {
  for (const temporality of [AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA]) {
    const name = `${encoding}-${AggregationTemporality[temporality].toLowerCase()}`;
    test(`${name}: counters, gauges and histograms`, async () => {
      const s = service(name, Exporter, temporality);
      const requests = s.meter.createCounter('http.requests', { unit: '{request}' });
      const queue = s.meter.createUpDownCounter('queue.length');
      const cpu = s.meter.createGauge('cpu.utilization', { unit: '1' });
      const latency = s.meter.createHistogram('latency', {
        unit: 's', advice: { explicitBucketBoundaries: [0.1, 1] },
      });
      requests.add(5, { code: '200' });
      requests.add(1, { code: '500' });
      queue.add(3);
      cpu.record(0.25);
      for (const v of [0.0625, 0.5, 2])
        latency.record(v);
      await s.export();
      requests.add(2, { code: '200' });
      requests.add(0, { code: '500' });
      queue.add(-1);
      cpu.record(0.5);
      latency.record(0.0625);
      await s.export();
      assert.deepEqual(await held(name), expected);
      await s.stop();
    });
  }

  test(`${encoding}: a restarted process counts on, even past its predecessor`, async () => {
    const name = `${encoding}-restart`;
    for (const n of [4, 9]) {
      const s = service(name, Exporter, AggregationTemporality.CUMULATIVE);
      s.meter.createCounter('jobs').add(n);
      await s.export();
      await s.stop();
    }
    assert.deepEqual((await held(name))['jobs_total{}'].filter((v, i, all) => v !== all[i - 1]), [0, 4, 0, 9]);
  });

  test(`${encoding}: exponential histograms are native ones`, async () => {
    const name = `${encoding}-exponential`;
    const s = service(name, Exporter, AggregationTemporality.CUMULATIVE, [
      { instrumentName: '*', aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } },
    ]);
    const size = s.meter.createHistogram('size', { unit: 'By' });
    for (const v of [0, 0.25, 3, 100])
      size.record(v);
    await s.export();
    await s.stop();
    const series = await held(name);
    const { bounds, ...rest } = series['size_bytes{}'].at(-1);
    assert.deepEqual(rest, { count: 4, sum: 103.25, zero: 1 });
    assert.deepEqual(bounds.map((b, i) => b >= [0.25, 3, 100][i] && b < 1.05 * [0.25, 3, 100][i]), [true, true, true]);
  });
}

test('both encodings came, all of it gzipped', async () => {
  const seen = await (await fetch(`${url}/seen`)).json();
  assert.ok(seen.json > 0 && seen.protobuf > 0);
  assert.equal(seen.gzip, seen.json + seen.protobuf);
});
