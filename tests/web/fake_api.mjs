// A stand-in for cQED's server, for the page's tests: the built page under the real Content-Security-Policy (read
// from src/serve/page.c), the contract's answers from fake_world.mjs, and a stream of events. It decides nothing.
//
// By itself: node tests/web/fake_api.mjs build/web/dist [empty]   prints its address.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { curvesOf, emptyWorld, fakeWorld } from "./fake_world.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const TYPES = {
    html: "text/html; charset=utf-8",
    js: "text/javascript; charset=utf-8",
    css: "text/css; charset=utf-8",
    svg: "image/svg+xml",
};
const ENDED = ["succeeded", "rolled_back", "cancelled", "superseded"];

function contentSecurityPolicy() {
    const source = readFileSync(join(ROOT, "src/serve/page.c"), "utf8");
    const [, literal] = /content_security_policy =\s*((?:"[^"]*"\s*)+);/.exec(source);
    return [...literal.matchAll(/"([^"]*)"/g)].map((m) => m[1]).join("");
}

class Refusal extends Error {
    constructor(status, code, message) {
        super(message);
        Object.assign(this, { status, code });
    }
}

export class FakeApi {
    listeners = new Set();
    refuseEvents = false;
    holdBack = null; // a promise: answers wait for it
    acts = [];

    constructor(dist, world = fakeWorld()) {
        this.dist = dist;
        this.world = world;
        this.policy = contentSecurityPolicy();
    }

    async start() {
        this.server = createServer((request, response) => void this.answer(request, response));
        await new Promise((done) => this.server.listen(0, "127.0.0.1", done));
        this.url = `http://127.0.0.1:${this.server.address().port}`;
        this.timer = setInterval(() => this.publish("services", this.services()), 2000);
        return this;
    }

    async stop() {
        clearInterval(this.timer);
        this.dropStreams();
        this.server.closeAllConnections?.();
        await new Promise((done) => this.server.close(done));
    }

    publish(event, data) {
        for (const listener of this.listeners) {
            listener.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
        }
    }

    /** Change a rollout and tell everyone, as the daemon does after a tick. */
    change(id, change) {
        const found = this.rollout(id);
        change(found);
        found.snapshot.atMs = Date.now();
        const { history, ...event } = found;
        this.publish("rollout", event);
    }

    record(kind, subject, body) {
        const { seq, atMs } = this.world.ledger.append(kind, subject, Date.now(), body);
        this.publish("ledger", { seq, atMs, kind, subject });
        return seq;
    }

    dropStreams() {
        this.listeners.forEach((listener) => listener.end());
        this.listeners.clear();
    }

    services() {
        return { services: this.world.services };
    }

    rollout(id) {
        const found = this.world.rollouts.find((r) => r.id === id || r.state.service === id);
        if (!found) {
            throw new Refusal(404, "not_found", `no rollout '${id}'`);
        }
        return found;
    }

    async answer(request, response) {
        const url = new URL(request.url, this.url);
        try {
            if (url.pathname === "/cqed/v1/events") {
                this.listen(response);
            } else if (url.pathname.startsWith("/cqed/") || url.pathname.startsWith("/api/")) {
                await this.answerApi(request, url, response);
            } else {
                this.answerFile(url.pathname, response);
            }
        } catch (error) {
            const body = { error: { code: error.code ?? "io", message: error.message } };
            response.writeHead(error.status ?? 500, { "Content-Type": "application/json" });
            response.end(JSON.stringify(body));
        }
    }

    listen(response) {
        if (this.refuseEvents) {
            throw new Refusal(503, "unreachable", "no events now");
        }
        response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
        response.write(": hello\n\n");
        this.listeners.add(response);
        response.on("close", () => this.listeners.delete(response));
    }

    answerFile(path, response) {
        const name = path === "/" ? "index.html" : path.slice(1);
        if (!/^[a-z]+\.(html|js|css|svg)$/.test(name)) {
            throw new Refusal(404, "not_found", `there is nothing at '${path}'`);
        }
        response.writeHead(200, {
            "Content-Type": TYPES[name.split(".").pop()],
            "Content-Security-Policy": this.policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
        });
        response.end(readFileSync(join(this.dist, name)));
    }

    async answerApi(request, url, response) {
        const parts = url.pathname.split("/").slice(1).map(decodeURIComponent);
        const body = request.method === "POST" ? JSON.parse(await textOf(request)) : null;
        const answer = this.find(request.method, parts, url.searchParams, body);
        const isText = typeof answer === "string";
        const text = isText ? answer : JSON.stringify(answer);
        await this.holdBack; // as it was when it was asked for, however late it comes
        response.writeHead(body ? 202 : 200, {
            "Content-Type": isText ? "text/plain; charset=utf-8" : "application/json",
        });
        response.end(text);
    }

    find(method, [, , what, id, more], query, body) {
        const { ledger, rollouts, targets, startedMs, tamper } = this.world;
        const key = [method, what, what === "ledger" ? id : id && "ID", more && (method === "POST" ? "ACT" : more)];
        switch (key.filter(Boolean).join(" ")) {
            case "GET status":
                return {
                    version: "0.1.0",
                    startedMs,
                    ledger: { size: ledger.entries.length, root: ledger.root },
                    targets: { up: targets.filter((t) => t.health === "up").length, total: targets.length },
                    series: 1204,
                };
            case "GET services":
                return this.services();
            case "GET rollouts":
                return { rollouts: rollouts.map(({ history, ...rest }) => rest) };
            case "GET rollouts ID":
                return this.rollout(id);
            case "GET rollouts ID curves":
                return this.curves(this.rollout(id), query.get("check"));
            case "POST rollouts ID ACT":
                return this.act(this.rollout(id), more, body);
            case "GET ledger": {
                const page = ledger.page(
                    Number(query.get("from") ?? 0),
                    Number(query.get("limit") ?? 100),
                    query.get("subject"),
                );
                return tamper ? { ...page, entries: page.entries.map(tamper) } : page;
            }
            case "GET ledger checkpoint":
                return ledger.checkpoint();
            case "GET ledger key":
                return ledger.verifierKey();
            case "GET ledger proof":
                return ledger.proof(Number(query.get("seq")), Number(query.get("size") ?? ledger.entries.length));
            case "GET ledger verify":
                return this.world.verification ?? ledger.verify();
            case "GET gates":
                return { gates: this.world.gates };
            case "POST gates ID":
                return this.askGate(id);
            case "GET targets":
                return { status: "success", data: { activeTargets: targets, droppedTargets: [] } };
            default:
                throw new Refusal(404, "not_found", `the stand-in has no ${method} ${what}`);
        }
    }

    curves(found, check) {
        const e = found.snapshot.checks.find((c) => c.check === check);
        if (!e) {
            throw new Refusal(404, "not_found", `rollout '${found.id}' has no check '${check}'`);
        }
        return curvesOf(e, found.snapshot.atMs);
    }

    askGate(name) {
        const answer = this.world.gateAnswers[name];
        if (!answer) {
            throw new Refusal(404, "not_found", `there is no gate '${name}'`);
        }
        const seq = this.record("gate", name, { state: answer.state, reasons: answer.reasons });
        return { gate: name, ...answer, seq };
    }

    act(found, kind, body) {
        if (!body.reason) {
            throw new Refusal(400, "bad_input", "reason must have from 1 to 1000 bytes");
        }
        if (ENDED.includes(found.state.state)) {
            throw new Refusal(409, "conflict", `rollout ${found.id} has ended: it is ${found.state.state}`);
        }
        if (kind === "approve" && body.actor === found.state.author) {
            throw new Refusal(
                409,
                "conflict",
                `approve by ${body.actor} is refused: the author of a change cannot approve it`,
            );
        }
        this.acts.push({ kind, ...body });
        this.record("human", found.id, {
            act: { kind, ...body, id: `${found.id}/act/${this.acts.length}`, atMs: Date.now() },
        });
        if (kind === "pause") {
            Object.assign(found.state, { state: "paused", pauseCode: "human", pausedByHuman: true });
            Object.assign(found, {
                verdict: "pause",
                reasons: [{ code: "human", sentence: `${body.actor}: ${body.reason}` }],
            });
        }
        return found;
    }
}

async function textOf(request) {
    let text = "";
    for await (const chunk of request) {
        text += chunk;
    }
    return text;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const [, , dist, kind] = process.argv;
    const api = await new FakeApi(
        dist ?? join(ROOT, "build/web/dist"),
        kind === "empty" ? emptyWorld() : fakeWorld(),
    ).start();
    console.log(`stand-in server at ${api.url}`);
}
