// cqed.mjs -- a cqed serve of its own for a test, in a folder that goes away. CQED names the program.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Starts it with `config` behind listen and storage; ports are as its log tells them. */
export async function startCqed(config, env = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'cqed-otlp-'));
  const write = (storage, rest) =>
    writeFileSync(join(folder, 'cqed.yaml'), `listen: 127.0.0.1:0\nstorage: { path: data${storage} }\n${rest}`);
  write('', config);
  const child = spawn(process.env.CQED, ['serve', '-c', join(folder, 'cqed.yaml')],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } });
  const exit = once(child, 'exit');
  const lines = createInterface(child.stderr);
  const wantsPorts = config.includes('otlp:');
  let log = '';
  const ports = await new Promise((resolve, reject) => {
    lines.on('line', line => {
      log += line + '\n';
      const api = /address=http:\/\/127.0.0.1:(\d+)/.exec(log);
      const own = /otlp_grpc_port=(\d+) otlp_http_port=(\d+)/.exec(line);
      if (api && (own || !wantsPorts)) resolve({ api: +api[1], grpc: +own?.[1], http: +own?.[2] });
    });
    lines.on('close', () => reject(new Error(`cqed serve ended early: ${log}`)));
  });
  const url = `http://127.0.0.1:${ports.api}`;
  return {
    ...ports,
    url,
    /** Resident memory that is not mapped from files, in bytes. */
    memory() {
      const [, resident, shared] = readFileSync(`/proc/${child.pid}/statm`, 'utf8').split(' ').map(Number);
      return (resident - shared) * 4096;
    },
    async reload(storage, rest) {
      write(storage, rest);
      const answer = await fetch(`${url}/-/reload`, { method: 'POST' });
      assert.equal(answer.status, 200, await answer.text());
    },
    async valueOf(query) {
      const answer = await (await fetch(`${url}/api/v1/query?query=${encodeURIComponent(query)}`)).json();
      assert.equal(answer.status, 'success', JSON.stringify(answer));
      return answer.data.result.map(r => +r.value[1]);
    },
    async stop() {
      child.kill('SIGTERM');
      const [code] = await exit;
      rmSync(folder, { recursive: true });
      assert.equal(code, 0, log);
      assert.doesNotMatch(log, /Sanitizer|runtime error:|CHECK failed/);
    },
  };
}
