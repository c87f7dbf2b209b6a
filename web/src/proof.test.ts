// Against published values (the hashes of RFC 6962's empty leaf and empty tree, RFC 8785's number forms) and against
// the recursive definitions.
import assert from "node:assert/strict";
import { test } from "node:test";
import { canonical, fromHex, leafHash, nodeHash, parseCheckpoint, rootOfPath, toHex, Tree } from "./proof";

test("canonical JSON sorts keys by code point and writes numbers the short way", () => {
    const value = { b: [1.0, 1e21, 1e-7, -0, null, true], "\u{1f600}": 1, "\uffff": 2, a: '\u20ac\n"', A: {} };
    assert.equal(
        canonical(value),
        '{"A":{},"a":"\u20ac\\n\\"","b":[1,1e+21,1e-7,0,null,true],"\uffff":2,"\u{1f600}":1}',
    );
});

test("a leaf is hashed with the prefix of RFC 6962", async () => {
    assert.equal(toHex(await leafHash("")), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
});

test("the empty tree's root is the hash of nothing", async () => {
    assert.equal(toHex(await new Tree().root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
});

const leavesOf = (n: number) => Promise.all(Array.from({ length: n }, (_, i) => leafHash(`entry ${i}`)));

async function rootByDefinition(leaves: Uint8Array[]): Promise<Uint8Array> {
    if (leaves.length === 1) {
        return leaves[0] as Uint8Array;
    }
    let k = 1;
    while (k * 2 < leaves.length) {
        k *= 2;
    }
    return nodeHash(await rootByDefinition(leaves.slice(0, k)), await rootByDefinition(leaves.slice(k)));
}

test("the stack of subtrees gives the root of the recursive definition", async () => {
    for (let n = 1; n <= 33; n++) {
        const leaves = await leavesOf(n);
        const tree = new Tree();
        for (const leaf of leaves) {
            await tree.add(leaf);
        }
        assert.equal(toHex(await tree.root()), toHex(await rootByDefinition(leaves)), `${n} leaves`);
    }
});

test("an inclusion path leads to the root, and a changed one does not", async () => {
    const [a, b, c] = (await leavesOf(3)) as [
        Uint8Array<ArrayBuffer>,
        Uint8Array<ArrayBuffer>,
        Uint8Array<ArrayBuffer>,
    ];
    const ab = await nodeHash(a, b);
    const root = toHex(await nodeHash(ab, c));
    const of = async (leaf: typeof a, seq: number, path: (typeof a)[]) => {
        const found = await rootOfPath(leaf, seq, 3, path);
        return found ? toHex(found) : null;
    };
    assert.equal(await of(a, 0, [b, c]), root);
    assert.equal(await of(b, 1, [a, c]), root);
    assert.equal(await of(c, 2, [ab]), root);
    assert.notEqual(await of(a, 1, [b, c]), root);
    assert.notEqual(await of(c, 0, [b, c]), root);
    assert.equal(await of(c, 2, [ab, a]), null, "a path that is too long");
    assert.equal(await of(a, 0, [b]), null, "a path that is too short");
    assert.equal(await of(a, 3, [b, c]), null, "an entry behind the end");
});

test("a checkpoint is taken apart, and anything else is refused", () => {
    const root = "AQID".repeat(8);
    const note = `cqed.ledger/1\n17\n${root}\n\n\u2014 cqed.ledger/1 AAAA\n`;
    const found = parseCheckpoint(note);
    assert.equal(found.size, 17);
    assert.equal(found.origin, "cqed.ledger/1");
    assert.equal(found.text, `cqed.ledger/1\n17\n${root}\n`);
    assert.deepEqual(fromHex(found.root).slice(0, 3), Uint8Array.of(1, 2, 3));
    assert.equal(found.signatures.length, 1);
    for (const wrong of ["", "x", "a\nb\nc\n\n", note.replace("17", "seventeen")]) {
        assert.throws(() => parseCheckpoint(wrong), /no signed checkpoint/);
    }
});
