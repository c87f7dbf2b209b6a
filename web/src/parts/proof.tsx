// Checks that run in this browser, each step shown: one entry against the signed root, or the whole ledger.
import { useSignal, type Signal } from "@preact/signals";
import { api, type LedgerEntry, type Num } from "../api";
import { count, shortHash } from "../format";
import {
    checkSignature,
    entryText,
    fromHex,
    leafHash,
    parseCheckpoint,
    rootOfPath,
    toHex,
    Tree,
    type Checkpoint,
} from "../proof";
import { icons } from "./icons";

type Outcome = "good" | "bad" | "open";

interface Step {
    outcome: Outcome;
    text: string;
    detail?: string;
}

function Steps({ steps }: { steps: Step[] }) {
    return (
        <ol class="proof-steps">
            {steps.map((step) => (
                <li key={step.text} class={`is-${step.outcome}`} data-testid="proof-step" data-outcome={step.outcome}>
                    {step.outcome === "good" ? icons.tick : step.outcome === "bad" ? icons.cross : icons.insufficient}
                    <span>
                        {step.text} {step.detail && <code>{step.detail}</code>}
                    </span>
                </li>
            ))}
        </ol>
    );
}

function verdictOf(steps: Step[]): Outcome {
    return steps.some((s) => s.outcome === "bad") ? "bad" : steps.some((s) => s.outcome === "open") ? "open" : "good";
}

function Conclusion({ steps, good, testid }: { steps: Step[]; good: string; testid: string }) {
    const outcome = verdictOf(steps);
    const text = {
        good: `Checked in your browser: ${good}`,
        bad: "This does not hold: what is shown is not what was signed",
        open: `Partly checked in your browser: ${good}, but not the signature`,
    }[outcome];
    return (
        <p class={`conclusion is-${outcome}`} role="status" data-testid={testid} data-outcome={outcome}>
            {outcome === "good" ? icons.pass : outcome === "bad" ? icons.fail : icons.insufficient}
            {text}
        </p>
    );
}

async function signatureStep(checkpoint: Checkpoint): Promise<Step> {
    const check = await checkSignature(checkpoint, await api.verifierKey());
    switch (check) {
        case "good":
            return {
                outcome: "good",
                text: "the checkpoint's signature is by the ledger's key",
                detail: checkpoint.origin,
            };
        case "bad":
            return {
                outcome: "bad",
                text: "the checkpoint is not signed by the ledger's key",
                detail: checkpoint.origin,
            };
        case "unsupported":
            return {
                outcome: "open",
                text: "this browser cannot check Ed25519 signatures; `cqed ledger verify` can",
            };
    }
}

async function proveEntry(entry: LedgerEntry): Promise<Step[]> {
    const checkpoint = parseCheckpoint(await api.checkpoint());
    const proof = await api.proof(entry.seq, checkpoint.size);
    const leaf = await leafHash(entryText(entry));
    const hex = toHex(leaf);
    const root = await rootOfPath(leaf, entry.seq, checkpoint.size, proof.path.map(fromHex));
    const rootHex = root ? toHex(root) : "";
    const reached = rootHex === checkpoint.root ? "the root" : "another root than that";
    return [
        {
            outcome: hex === entry.leaf ? "good" : "bad",
            text:
                hex === entry.leaf
                    ? "the entry's canonical bytes give its leaf hash"
                    : `the entry hashes to ${shortHash(hex)}, its leaf is`,
            detail: shortHash(entry.leaf),
        },
        {
            outcome: rootHex === checkpoint.root ? "good" : "bad",
            text: `${proof.path.length} hashes lead from it to ${reached} of ${count(checkpoint.size)} entries`,
            detail: shortHash(rootHex),
        },
        await signatureStep(checkpoint),
    ];
}

type Run<T> = Signal<{ busy: string; problem: string; result: T | null }>;

function useRun<T>(): Run<T> {
    return useSignal<{ busy: string; problem: string; result: T | null }>({ busy: "", problem: "", result: null });
}

async function run<T>(into: Run<T>, work: () => Promise<T>): Promise<void> {
    into.value = { busy: "checking…", problem: "", result: null };
    try {
        into.value = { busy: "", problem: "", result: await work() };
    } catch (error) {
        into.value = { busy: "", problem: (error as Error).message, result: null };
    }
}

export function EntryProof({ entry }: { entry: LedgerEntry }) {
    const state = useRun<Step[]>();
    const { busy, problem, result } = state.value;
    return (
        <div class="proof">
            <button
                onClick={() => void run(state, () => proveEntry(entry))}
                disabled={busy !== ""}
                data-testid="prove-entry"
            >
                {busy || "Prove it in this browser"}
            </button>
            {problem && <p class="problem">{problem}</p>}
            {result && <Steps steps={result} />}
            {result && <Conclusion steps={result} good="this entry is in the signed ledger" testid="proof-result" />}
        </div>
    );
}

const PAGE = 500;

/** Hash every entry anew and compare the root of them all with the signed one. */
async function checkAll(say: (done: number, of: number) => void): Promise<Step[]> {
    const checkpoint = parseCheckpoint(await api.checkpoint());
    const tree = new Tree();
    let wrong: number | null = null;
    while (tree.size < checkpoint.size) {
        const page = await api.ledger(tree.size, Math.min(PAGE, checkpoint.size - tree.size), "");
        if (page.entries.length === 0) {
            throw new Error(`the ledger ends at entry ${tree.size}, its checkpoint says ${checkpoint.size}`);
        }
        for (const entry of page.entries) {
            const leaf = await leafHash(entryText(entry));
            wrong ??= toHex(leaf) === entry.leaf && entry.seq === tree.size ? null : entry.seq;
            await tree.add(leaf);
        }
        say(tree.size, checkpoint.size);
    }
    const root = toHex(await tree.root());
    return [
        wrong === null
            ? { outcome: "good", text: `all ${count(tree.size)} entries give their leaf hashes` }
            : { outcome: "bad", text: `entry ${wrong} does not give its leaf hash` },
        root === checkpoint.root
            ? { outcome: "good", text: "together they give the signed root", detail: shortHash(root) }
            : {
                  outcome: "bad",
                  text: "together they give another root than the signed one",
                  detail: shortHash(root),
              },
        await signatureStep(checkpoint),
    ];
}

export function WholeProof() {
    const state = useRun<Step[]>();
    const { busy, problem, result } = state.value;
    const say = (done: number, of: number) => {
        state.value = { busy: `${count(done)} of ${count(of as Num)}…`, problem: "", result: null };
    };
    return (
        <>
            <button
                onClick={() => void run(state, () => checkAll(say))}
                disabled={busy !== ""}
                data-testid="prove-all"
            >
                {busy || "Recompute in this browser"}
            </button>
            {problem && <p class="problem">{problem}</p>}
            {result && <Steps steps={result} />}
            {result && (
                <Conclusion steps={result} good="the whole ledger is what was signed" testid="prove-all-result" />
            )}
        </>
    );
}
