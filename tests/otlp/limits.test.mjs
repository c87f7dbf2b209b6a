// What cqed serve does when it is sent more than it may hold: it says so, holds no more, and keeps what it took.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startCqed } from './cqed.mjs';

let cqed;
// The sanitizer would keep what was freed.
before(async () => { cqed = await startCqed('', { ASAN_OPTIONS: 'quarantine_size_mb=1' }); });
after(() => cqed.stop());

// A gauge with these attributes, one point each, now.
const request = (job, name, attributes) => JSON.stringify({
  resourceMetrics: [{
    resource: { attributes: [{ key: 'service.name', value: { stringValue: job } }] },
    scopeMetrics: [{ metrics: [{ name, gauge: { dataPoints: attributes.map(id => ({
      timeUnixNano: `${Date.now()}000000`, asInt: '1', attributes: [{ key: 'id', value: { stringValue: id } }],
    })) } }] }],
  }],
});

async function send(body) {
  const answer = await fetch(`${cqed.url}/v1/metrics`,
    { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  return { status: answer.status, retryAfter: answer.headers.get('retry-after'), ...await answer.json() };
}

const metric = async name => +new RegExp(`^${name} (.*)$`, 'm').exec(await (await fetch(`${cqed.url}/metrics`)).text())[1];

test('quotas: an owner beyond its own is refused, by name; others are not', async () => {
  await cqed.reload('', 'telemetry: { quotas: { series: 5, owners: { big: 8 } } }\n');
  assert.equal((await send(request('small', 'a', ['1', '2', '3']))).status, 200);
  const part = await send(request('small', 'b', ['1', '2', '3', '4']));
  assert.equal(part.status, 200);
  assert.deepEqual(part.partialSuccess, { rejectedDataPoints: '2', errorMessage: 'b: quota: job="small" has its 5 series' });
  const none = await send(request('small', 'c', ['1']));
  assert.deepEqual([none.status, none.retryAfter, none.code], [429, '1', 8]);
  assert.equal((await send(request('small', 'a', ['1', '2', '3']))).status, 200); // known series go on
  assert.equal((await send(request('big', 'a', ['1', '2', '3', '4', '5', '6', '7']))).status, 200);
  const { status, data } = await (await fetch(`${cqed.url}/api/v1/status/tsdb?limit=2`)).json();
  assert.equal(status, 'success');
  assert.deepEqual(Object.keys(data), ['headStats', 'seriesCountByMetricName', 'labelValueCountByLabelName',
    'memoryInBytesByLabelName', 'seriesCountByLabelValuePair', 'quotaOffenders']);
  assert.deepEqual(Object.keys(data.headStats), ['numSeries', 'numLabelPairs', 'chunkCount', 'minTime', 'maxTime']);
  assert.deepEqual(data.seriesCountByMetricName, [{ name: 'a', value: 10 }, { name: 'b', value: 2 }]);
  assert.equal(data.seriesCountByLabelValuePair[0].name, '__name__=a');
  assert.deepEqual(data.quotaOffenders, [{ label: 'job', owner: 'small', series: 5, quota: 5, refused: 3 }]);
  assert.equal((await fetch(`${cqed.url}/api/v1/status/tsdb?limit=0`)).status, 400);
  assert.equal(await metric('cqed_quota_refused_total{owner="small"}'), 3);
});

test('memory: a flood of new series is refused at the soft mark, and never gets past the limit', async () => {
  const limit = cqed.memory() + (160 << 20);
  await cqed.reload(`, memory: ${limit}`, '');
  const long = 'x'.repeat(900);
  let worst = 0, taken = 0, sent = 0;
  const seen = new Set();
  const flood = async worker => {
    for (let i = 0; i < 60 && seen.size < 2; i++) {
      const ids = Array.from({ length: 1000 }, (_, k) => `${worker}-${i}-${k}-${long}`);
      const answer = await send(request('flood', 'f', ids));
      seen.add(answer.status);
      if (answer.status === 200)
        taken += ids.length - Number(answer.partialSuccess?.rejectedDataPoints ?? 0);
      else
        assert.equal(answer.retryAfter, '1');
      sent += ids.length;
      worst = Math.max(worst, cqed.memory());
    }
  };
  await Promise.all([flood('a'), flood('b'), flood('c')]);
  assert.deepEqual([...seen].filter(s => ![200, 429, 503].includes(s)), []);
  assert.ok(seen.has(429) || seen.has(503), `nothing of ${sent} series was refused`);
  assert.ok(worst < limit, `${worst} bytes are over the limit of ${limit}`);
  assert.deepEqual(await cqed.valueOf('count(f)'), [taken]); // what was acknowledged is there
  assert.ok(await metric('cqed_memory_limit_bytes') === limit);
  await cqed.reload('', '');
  assert.equal((await send(request('flood', 'f', ['one more']))).status, 200);
});
