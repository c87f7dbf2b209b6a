// cqed serve with ports of their own for OTLP: the official SDK exports over gRPC, HTTP/protobuf and HTTP/JSON, and
// @grpc/grpc-js calls what the SDK would not. CQED names the program.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';

import * as grpc from '@grpc/grpc-js';
import { OTLPMetricExporter as GrpcExporter } from '@opentelemetry/exporter-metrics-otlp-grpc';
import { OTLPMetricExporter as JsonExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as ProtobufExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { CompressionAlgorithm } from '@opentelemetry/otlp-exporter-base';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';

import { startCqed } from './cqed.mjs';

const ports = 'telemetry:\n  otlp:\n    grpc: 127.0.0.1:0\n    http: 127.0.0.1:0\n';
const service = (signal, name) => `/opentelemetry.proto.collector.${signal}.v1.${name}Service/Export`;
const METRICS = service('metrics', 'Metrics'), TRACES = service('trace', 'Trace'), LOGS = service('logs', 'Logs');

let cqed;
before(async () => { cqed = await startCqed(ports); });
after(() => cqed.stop());


function clientOf(port, credentials = grpc.credentials.createInsecure(), options = {}) {
  return new grpc.Client(`127.0.0.1:${port}`, credentials, options);
}

// One unary call with bytes as they are: { code, details, trailers, response }.
function call(client, path, bytes, options = {}) {
  const same = b => b;
  return new Promise(resolve => {
    const answer = {};
    const done = client.makeUnaryRequest(path, same, same, Buffer.from(bytes), new grpc.Metadata(), options,
      (error, response) => Object.assign(answer, { response, details: error?.details ?? '' }));
    done.on('status', status => resolve({ ...answer, code: status.code, trailers: status.metadata }));
  });
}

// Protobuf by hand: resource_x { scope_x { record {} record {} } }.
const wrap = (field, bytes) => Buffer.concat([Buffer.from([field << 3 | 2, bytes.length]), bytes]);
const twoRecords = wrap(1, wrap(2, Buffer.concat([wrap(2, Buffer.alloc(0)), wrap(2, Buffer.alloc(0))])));

const exporters = {
  grpc: () => new GrpcExporter({ url: `http://127.0.0.1:${cqed.grpc}`, compression: CompressionAlgorithm.GZIP }),
  'grpc-plain': () => new GrpcExporter({ url: `http://127.0.0.1:${cqed.grpc}` }),
  protobuf: () => new ProtobufExporter({ url: `http://127.0.0.1:${cqed.http}/v1/metrics`, compression: 'gzip' }),
  json: () => new JsonExporter({ url: `http://127.0.0.1:${cqed.http}/v1/metrics` }),
};

for (const [name, exporterOf] of Object.entries(exporters)) {
  test(`the SDK over ${name}: what it counted can be asked for`, async () => {
    const reader = new PeriodicExportingMetricReader({ exporter: exporterOf(), exportIntervalMillis: 3600_000 });
    const provider = new MeterProvider({ resource: resourceFromAttributes({ 'service.name': name }), readers: [reader] });
    const meter = provider.getMeter('app');
    meter.createCounter('orders').add(7);
    const latency = meter.createHistogram('latency', { unit: 's', advice: { explicitBucketBoundaries: [0.1, 1] } });
    for (let i = 0; i < 2000; i++) latency.record(0.5, { shard: `${i}`.padStart(40, 'x') });
    await provider.forceFlush();
    assert.deepEqual(await cqed.valueOf(`orders_total{job="${name}"}`), [7]);
    assert.deepEqual(await cqed.valueOf(`sum(latency_seconds_count{job="${name}"})`), [2000]);
    await provider.shutdown();
  });
}

test('how fresh each service is, and up to when all of it is there', async () => {
  const text = await (await fetch(`${cqed.url}/metrics`)).text();
  assert.match(text, /^cqed_freshness_seconds_count\{kind="otlp",job="grpc",instance=""\} [1-9]/m);
  assert.match(text, /^cqed_freshness_seconds_bucket\{kind="otlp",job="json",instance="",le="\+Inf"\} [1-9]/m);
  const [, watermark] = /^cqed_watermark_timestamp_seconds\{kind="otlp",job="protobuf",instance=""\} (\S+)$/m.exec(text);
  assert.ok(Math.abs(watermark - Date.now() / 1000) < 60);
});

test('traces and logs are read, and the answer says that they are not stored', async () => {
  const client = clientOf(cqed.grpc);
  for (const [path, what] of [[TRACES, 'spans'], [LOGS, 'log records']]) {
    const { code, response } = await call(client, path, twoRecords);
    assert.equal(code, grpc.status.OK);
    assert.deepEqual([...response.subarray(0, 4)], [0x0a, response.length - 2, 0x08, 2]); // partial_success, rejected 2
    assert.match(response.toString('latin1'), new RegExp(`${what} are not stored yet: 2 were read`));
  }
  assert.deepEqual(await call(client, TRACES, []).then(r => [r.code, r.response.length]), [0, 0]);
  client.close();
  for (const [signal, key, list] of [['traces', 'rejectedSpans', { resourceSpans: [{ scopeSpans: [{ spans: [{}] }] }] }],
    ['logs', 'rejectedLogRecords', { resourceLogs: [{ scopeLogs: [{ logRecords: [{}] }] }] }]]) {
    const answer = await fetch(`http://127.0.0.1:${cqed.http}/v1/${signal}`,
      { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(list) });
    assert.equal(answer.status, 200);
    assert.equal((await answer.json()).partialSuccess[key], '1');
  }
});

test('gRPC: each refusal has its status', async () => {
  const client = clientOf(cqed.grpc);
  const bad = await call(client, METRICS, [0x0a, 0x05, 1]);
  assert.equal(bad.code, grpc.status.INVALID_ARGUMENT);
  assert.match(bad.details, /protobuf ExportMetricsServiceRequest, byte/);
  assert.equal(bad.trailers.get('grpc-status-details-bin').length, 1);
  assert.equal((await call(client, '/what.Ever/Export', [])).code, grpc.status.UNIMPLEMENTED);
  const large = await call(client, METRICS, Buffer.alloc(33 << 20));
  assert.equal(large.code, grpc.status.RESOURCE_EXHAUSTED);
  assert.match(large.details, /34603008 bytes, the limit is 33554432/);
  assert.equal((await call(client, METRICS, [])).code, grpc.status.OK); // the connection goes on
  client.close();
});

test('gRPC: many calls at once on one connection, with keepalive pings', async () => {
  const client = clientOf(cqed.grpc, undefined,
    { 'grpc.keepalive_time_ms': 20, 'grpc.keepalive_permit_without_calls': 1 });
  const answers = await Promise.all(Array.from({ length: 300 }, () => call(client, TRACES, twoRecords)));
  assert.ok(answers.every(a => a.code === grpc.status.OK));
  client.close();
});

test('HTTP: each refusal is a google.rpc.Status in the encoding of the request', async () => {
  const post = (body, headers) => fetch(`http://127.0.0.1:${cqed.http}/v1/metrics`, { method: 'POST', body, headers });
  const protobuf = { 'content-type': 'application/x-protobuf' }, json = { 'content-type': 'application/json' };
  const cases = [
    [400, 3, await post(Buffer.from([0x0a, 5, 1]), protobuf)],
    [400, 3, await post('{"resourceMetrics":1}', json)],
    [400, 3, await post('no gzip', { ...json, 'content-encoding': 'gzip' })],
    [413, 8, await post(gzipSync(Buffer.alloc(33 << 20)), { ...protobuf, 'content-encoding': 'gzip' })],
    [415, 3, await post('x', { 'content-type': 'text/plain' })],
    [415, 3, await post('x', { ...json, 'content-encoding': 'br' })],
  ];
  for (const [status, code, answer] of cases) {
    assert.equal(answer.status, status);
    if (answer.headers.get('content-type') === 'application/x-protobuf') {
      assert.deepEqual([...new Uint8Array(await answer.arrayBuffer())].slice(0, 2), [8, code]);
    } else {
      const body = await answer.json();
      assert.equal(body.code, code);
      assert.ok(body.message.length > 10);
    }
  }
});

test('what is no HTTP/2 is closed, and nobody is kept waiting', async () => {
  const socket = connect(cqed.grpc, '127.0.0.1');
  socket.end('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(socket.resume(), 'close');
});

test('with TLS: only who knows the certificate and speaks h2', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cqed-tls-'));
  const certFile = join(folder, 'cert.pem'), keyFile = join(folder, 'key.pem');
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', keyFile, '-out', certFile],
    { stdio: 'ignore' });
  const secure = await startCqed(`${ports}    tls: { certFile: ${certFile}, keyFile: ${keyFile} }\n`);
  const trusted = clientOf(secure.grpc, grpc.credentials.createSsl(readFileSync(certFile)));
  const big = Buffer.concat(Array.from({ length: 100000 }, () => twoRecords)); // many TLS records
  const { code, response } = await call(trusted, TRACES, big);
  assert.equal(code, grpc.status.OK);
  assert.match(response.toString('latin1'), /200000 were read/);
  const soon = () => ({ deadline: Date.now() + 2000 });
  assert.notEqual((await call(clientOf(secure.grpc), TRACES, [], soon())).code, grpc.status.OK);
  trusted.close();
  await secure.stop();
  rmSync(folder, { recursive: true });
});
