// What stands around cQED in these tests: a shop whose two versions count their requests, and the
// weight between them. Everything listens on a free port of this machine and goes with the test.
import { createServer } from "node:http";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const REQUESTS_PER_SECOND = 2000;

export class World {
  constructor(cqed) {
    this.cqed = cqed;
    this.weight = 0; // percent on v2
    this.errors = { v1: 0.001, v2: 0.001 };
    this.counts = { v1: { good: 0, bad: 0 }, v2: { good: 0, bad: 0 } };
    this.silent = false;
    this.countedAt = Date.now();
  }

  // Requests since the last look, split by the weight.
  count() {
    const now = Date.now();
    const requests = ((now - this.countedAt) / 1000) * REQUESTS_PER_SECOND;
    this.countedAt = now;
    for (const [version, share] of [["v1", 100 - this.weight], ["v2", this.weight]]) {
      const n = (requests * share) / 100;
      this.counts[version].bad += n * this.errors[version];
      this.counts[version].good += n * (1 - this.errors[version]);
    }
  }

  metrics() {
    this.count();
    const lines = ["# TYPE http_requests_total counter"];
    for (const [version, { good, bad }] of Object.entries(this.counts)) {
      lines.push(`http_requests_total{version="${version}",code="200"} ${Math.floor(good)}`);
      lines.push(`http_requests_total{version="${version}",code="500"} ${Math.floor(bad)}`);
    }
    return lines.join("\n") + "\n";
  }

  async answer(request, response) {
    if (request.url === "/metrics") {
      if (this.silent) return response.writeHead(503).end();
      return response.writeHead(200, { "Content-Type": "text/plain; version=0.0.4" }).end(this.metrics());
    }
    if (request.method === "PUT") {
      let body = "";
      for await (const part of request) body += part;
      this.count();
      this.weight = JSON.parse(body).weight;
    }
    response.writeHead(200, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ weight: this.weight, capacityOk: true }));
  }

  async open(configFolder) {
    this.folder = await mkdtemp(join(tmpdir(), "cqed-cli-"));
    this.shop = createServer((request, response) => this.answer(request, response));
    this.shop.listen(0, "127.0.0.1");
    await once(this.shop, "listening");
    await cp(configFolder, this.folder, { recursive: true });
    await this.putPort(this.folder);
    await this.startServer("127.0.0.1:0");
  }

  async putPort(folder) {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        await this.putPort(path);
      } else {
        const text = await readFile(path, "utf8");
        await writeFile(path, text.replaceAll("METRICS_PORT", this.shop.address().port));
      }
    }
  }

  async startServer(listen) {
    this.log = "";
    const server = spawn(this.cqed, ["serve", "--listen", listen], { cwd: this.folder });
    this.server = server;
    const address = new Promise((resolve, reject) => {
      server.stderr.on("data", (bytes) => {
        this.log += bytes;
        const match = /listening address=(\S+)/.exec(this.log);
        if (match) resolve(match[1]);
      });
      server.on("exit", (code) => reject(new Error(`cqed serve ended with ${code}:\n${this.log}`)));
    });
    address.catch(() => {});
    this.address = await address;
  }

  async stopServer(signal = "SIGTERM") {
    if (this.server.exitCode !== null || this.server.signalCode !== null) return;
    this.server.kill(signal);
    await once(this.server, "exit");
  }

  // As after a crash: at the same address, on the same data.
  async crash() {
    await this.stopServer("SIGKILL");
    await this.startServer(this.address.replace(/^https?:\/\//, ""));
  }

  async close() {
    await this.stopServer();
    this.shop.closeAllConnections();
    this.shop.close();
    await rm(this.folder, { recursive: true });
  }
}
