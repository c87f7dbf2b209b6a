// The ledger, checked here and not by whoever serves it: canonical bytes (RFC 8785), RFC 6962 hashes and inclusion
// paths, and the signed checkpoint (C2SP signed-note, Ed25519), all with the browser's own WebCrypto.
import type { LedgerEntry } from "./api";

type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();

function byCodePoint(a: string, b: string): number {
    const left = [...a];
    const right = [...b];
    for (let i = 0; i < Math.min(left.length, right.length); i++) {
        const difference = (left[i]?.codePointAt(0) ?? 0) - (right[i]?.codePointAt(0) ?? 0);
        if (difference !== 0) {
            return difference;
        }
    }
    return left.length - right.length;
}

/** RFC 8785, with keys in the order of their UTF-8 bytes. */
export function canonical(value: unknown): string {
    if (Array.isArray(value)) {
        return `[${value.map(canonical).join(",")}]`;
    }
    if (value !== null && typeof value === "object") {
        const object = value as Record<string, unknown>;
        const members = Object.keys(object).sort(byCodePoint);
        return `{${members.map((key) => `${JSON.stringify(key)}:${canonical(object[key])}`).join(",")}}`;
    }
    return JSON.stringify(value);
}

/** Exactly the text whose bytes are the entry's leaf. */
export function entryText(entry: LedgerEntry): string {
    const { seq, atMs, kind, subject, body } = entry;
    return canonical({ v: 1, seq, at: atMs, kind, subject, body });
}

export function toHex(bytes: Uint8Array): string {
    return [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
}

export function fromHex(hex: string): Bytes {
    const bytes = new Uint8Array(hex.length / 2);
    for (let i = 0; i < bytes.length; i++) {
        bytes[i] = parseInt(hex.slice(2 * i, 2 * i + 2), 16);
    }
    return bytes;
}

function fromBase64(text: string): Bytes {
    return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

function join(...parts: Uint8Array[]): Bytes {
    const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
    let at = 0;
    for (const part of parts) {
        out.set(part, at);
        at += part.length;
    }
    return out;
}

async function sha256(bytes: Bytes): Promise<Bytes> {
    if (!crypto.subtle) {
        throw new Error("a browser hashes only on pages that came over HTTPS or from this machine");
    }
    return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** RFC 6962 section 2.1: a leaf's hash. */
export function leafHash(text: string): Promise<Bytes> {
    return sha256(join(Uint8Array.of(0), encoder.encode(text)));
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Promise<Bytes> {
    return sha256(join(Uint8Array.of(1), left, right));
}

/** RFC 9162 section 2.1.3.2: the root that an inclusion path leads to; null when the path does not fit. */
export async function rootOfPath(leaf: Bytes, seq: number, size: number, path: Bytes[]): Promise<Bytes | null> {
    if (seq >= size) {
        return null;
    }
    let node = seq;
    let last = size - 1;
    let hash = leaf;
    for (const sibling of path) {
        if (last === 0) {
            return null;
        }
        if (node % 2 === 1 || node === last) {
            hash = await nodeHash(sibling, hash);
            while (node % 2 === 0 && node !== 0) {
                node = Math.floor(node / 2);
                last = Math.floor(last / 2);
            }
        } else {
            hash = await nodeHash(hash, sibling);
        }
        node = Math.floor(node / 2);
        last = Math.floor(last / 2);
    }
    return last === 0 ? hash : null;
}

/** RFC 6962 section 2.1: the root over all leaves, built as a stack of full subtrees. */
export class Tree {
    size = 0;
    private readonly full: { height: number; hash: Bytes }[] = [];

    async add(leaf: Bytes): Promise<void> {
        let top = { height: 0, hash: leaf };
        for (let left = this.full.at(-1); left && left.height === top.height; left = this.full.at(-1)) {
            this.full.pop();
            top = { height: top.height + 1, hash: await nodeHash(left.hash, top.hash) };
        }
        this.full.push(top);
        this.size++;
    }

    async root(): Promise<Bytes> {
        let hash = this.full.at(-1)?.hash ?? (await sha256(new Uint8Array()));
        for (let i = this.full.length - 2; i >= 0; i--) {
            hash = await nodeHash((this.full[i] as { hash: Bytes }).hash, hash);
        }
        return hash;
    }
}

export interface Checkpoint {
    origin: string;
    size: number;
    root: string;
    /** What is signed, with its last newline. */
    text: string;
    signatures: { name: string; bytes: Bytes }[];
}

/** C2SP signed-note and tlog-checkpoint; throws when it is none. */
export function parseCheckpoint(note: string): Checkpoint {
    const end = note.lastIndexOf("\n\n");
    const text = note.slice(0, end + 1);
    const [origin = "", size = "", root = ""] = text.split("\n");
    if (end < 0 || !/^\d+$/.test(size)) {
        throw new Error("this is no signed checkpoint");
    }
    const signatures = note
        .slice(end + 2)
        .split("\n")
        .map((line) => /^\u2014 (\S+) (\S+)$/.exec(line))
        .filter((match) => match !== null)
        .map((match) => ({ name: match[1] ?? "", bytes: fromBase64(match[2] ?? "") }));
    return { origin, size: Number(size), root: toHex(fromBase64(root)), text, signatures };
}

export type SignatureCheck = "good" | "bad" | "unsupported";

function same(a: Uint8Array, b: Uint8Array): boolean {
    return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Whether a signature of the checkpoint is by this verifier key ("name+hash+base64"). */
export async function checkSignature(checkpoint: Checkpoint, verifierKey: string): Promise<SignatureCheck> {
    const [name = "", hash = "", ...rest] = verifierKey.trim().split("+");
    const typed = fromBase64(rest.join("+")); // base64 itself has plus signs
    const signature = checkpoint.signatures.find((s) => s.name === name && toHex(s.bytes.slice(0, 4)) === hash);
    const digest = await sha256(join(encoder.encode(`${name}\n`), typed));
    if (!signature || typed[0] !== 1 || !same(digest.slice(0, 4), fromHex(hash))) {
        return "bad";
    }
    try {
        const key = await crypto.subtle.importKey("raw", typed.slice(1), { name: "Ed25519" }, false, ["verify"]);
        const good = await crypto.subtle.verify(
            "Ed25519",
            key,
            signature.bytes.slice(4),
            encoder.encode(checkpoint.text),
        );
        return good ? "good" : "bad";
    } catch {
        return "unsupported";
    }
}
