// A stand-in for the ledger: the same formats made in another way (recursion, node's crypto), so that the page's own
// proofs are checked against something that is not the page.
import { createHash, generateKeyPairSync, sign } from "node:crypto";

function sha256(...parts) {
    const hash = createHash("sha256");
    parts.forEach((part) => hash.update(part));
    return hash.digest();
}

/** RFC 8785 for the values that the tests use. */
function canonical(value) {
    if (Array.isArray(value)) {
        return `[${value.map(canonical).join(",")}]`;
    }
    if (value && typeof value === "object") {
        const keys = Object.keys(value).sort();
        return `{${keys.map((k) => `${JSON.stringify(k)}:${canonical(value[k])}`).join(",")}}`;
    }
    return JSON.stringify(value);
}

/** RFC 6962 section 2.1: the biggest power of two that is smaller than n. */
function split(n) {
    let k = 1;
    while (k * 2 < n) {
        k *= 2;
    }
    return k;
}

function rootOf(leaves) {
    if (leaves.length === 0) {
        return sha256("");
    }
    if (leaves.length === 1) {
        return leaves[0];
    }
    const k = split(leaves.length);
    return sha256(Buffer.of(1), rootOf(leaves.slice(0, k)), rootOf(leaves.slice(k)));
}

/** RFC 6962 section 2.1.1. */
function pathOf(m, leaves) {
    if (leaves.length <= 1) {
        return [];
    }
    const k = split(leaves.length);
    return m < k
        ? [...pathOf(m, leaves.slice(0, k)), rootOf(leaves.slice(k))]
        : [...pathOf(m - k, leaves.slice(k)), rootOf(leaves.slice(0, k))];
}

export class FakeLedger {
    entries = [];
    origin = "cqed.ledger/0f3c9a1b";

    constructor() {
        const pair = generateKeyPairSync("ed25519");
        this.privateKey = pair.privateKey;
        const raw = pair.publicKey.export({ type: "spki", format: "der" }).subarray(-32);
        this.typed = Buffer.concat([Buffer.of(1), raw]);
        this.keyHash = sha256(`${this.origin}\n`, this.typed).subarray(0, 4);
    }

    append(kind, subject, atMs, body) {
        const seq = this.entries.length;
        const text = canonical({ v: 1, seq, at: atMs, kind, subject, body });
        const leaf = sha256(Buffer.of(0), text).toString("hex");
        const entry = { seq, atMs, kind, subject, leaf, body };
        this.entries.push(entry);
        return entry;
    }

    get leaves() {
        return this.entries.map((entry) => Buffer.from(entry.leaf, "hex"));
    }

    get root() {
        return rootOf(this.leaves).toString("hex");
    }

    checkpoint() {
        const text = `${this.origin}\n${this.entries.length}\n${Buffer.from(this.root, "hex").toString("base64")}\n`;
        const signature = Buffer.concat([this.keyHash, sign(null, Buffer.from(text), this.privateKey)]);
        return `${text}\n\u2014 ${this.origin} ${signature.toString("base64")}\n`;
    }

    verifierKey() {
        return `${this.origin}+${this.keyHash.toString("hex")}+${this.typed.toString("base64")}\n`;
    }

    proof(seq, size) {
        return { seq, size, path: pathOf(seq, this.leaves.slice(0, size)).map((h) => h.toString("hex")) };
    }

    page(from, limit, subject) {
        const start = from < 0 ? Math.max(0, this.entries.length + from) : from;
        const all = this.entries.filter((e) => e.seq >= start && (!subject || e.subject === subject));
        return { size: this.entries.length, entries: all.slice(0, limit) };
    }

    verify() {
        const size = this.entries.length;
        return { ok: true, checked: size, size, root: this.root, findings: [] };
    }
}
