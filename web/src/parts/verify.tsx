// The ledger as a whole: asked of the server, recomputed here, and its signed checkpoint.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api, type Verification } from "../api";
import { count, shortHash } from "../format";
import { ledgerHead } from "../state";
import { icons } from "./icons";
import { WholeProof } from "./proof";

function VerifyResult({ found }: { found: Verification }) {
    return (
        <div data-testid="verify-result" data-ok={found.ok}>
            <p class={`conclusion is-${found.ok ? "good" : "bad"}`} role="status">
                {found.ok ? icons.pass : icons.fail}
                {found.ok
                    ? `Verified: ${count(found.checked)} of ${count(found.size)} entries, root ${shortHash(found.root)}`
                    : `Not sound: ${count(found.size)} entries, findings: ${found.findings.length}`}
            </p>
            {found.findings.length > 0 && (
                <ul class="findings" data-testid="verify-findings">
                    {found.findings.map((finding) => (
                        <li key={finding}>{finding}</li>
                    ))}
                </ul>
            )}
        </div>
    );
}

function VerifyButton() {
    const busy = useSignal(false);
    const problem = useSignal("");
    const found = useSignal<Verification | null>(null);
    const verify = async () => {
        busy.value = true;
        problem.value = "";
        try {
            found.value = await api.verify();
        } catch (error) {
            problem.value = (error as Error).message;
        }
        busy.value = false;
    };
    return (
        <>
            <button class="primary" onClick={() => void verify()} disabled={busy.value} data-testid="verify">
                {busy.value ? "verifying…" : "Verify"}
            </button>
            {problem.value && <p class="problem">{problem.value}</p>}
            {found.value && <VerifyResult found={found.value} />}
        </>
    );
}

function CheckpointText() {
    const text = useSignal("");
    const key = useSignal("");
    useEffect(() => {
        const fetchNow = async () => {
            try {
                [text.value, key.value] = await Promise.all([api.checkpoint(), api.verifierKey()]);
            } catch (error) {
                text.value = (error as Error).message;
            }
        };
        void fetchNow();
    }, [ledgerHead.value?.seq]);
    return (
        <details class="checkpoint">
            <summary>the signed checkpoint and its key</summary>
            <pre tabIndex={0} data-testid="checkpoint">
                {text.value}
            </pre>
            <pre tabIndex={0}>{key.value}</pre>
            <p class="quiet">
                A C2SP signed note: <code>cqed ledger verify</code> and any transparency-log tool check it offline.
            </p>
        </details>
    );
}

export function VerifyCard() {
    return (
        <section class="card verify" aria-label="verification">
            <div class="verify-actions">
                <div>
                    <p>The server checks every entry, hash and signature.</p>
                    <VerifyButton />
                </div>
                <div>
                    <p>Or trust nobody: hash every entry here and compare with the signed root.</p>
                    <WholeProof />
                </div>
            </div>
            <CheckpointText />
        </section>
    );
}
