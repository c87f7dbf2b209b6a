// What people may do to a rollout. Each act needs a name and a reason; both go into the ledger.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { api, type Act, type Rollout } from "../api";
import { num, weight } from "../format";
import { recall, remember } from "../remember";
import { beforeAsking, isFinal, takeRollout } from "../state";

interface Offer {
    act: Act;
    label: string;
    does: (rollout: Rollout) => string;
    fits: (rollout: Rollout) => boolean;
    danger?: boolean;
}

function nextWeight(rollout: Rollout): string {
    const next = rollout.steps[Math.min(rollout.state.step + 1, rollout.steps.length - 1)];
    return weight(next?.weightPct ?? null);
}

const OFFERS: Offer[] = [
    {
        act: "approve",
        label: "Approve",
        does: (r) =>
            `${weight(r.state.proposedPct)} of traffic for ${r.state.canaryVersion} is asked for. ` +
            "The author cannot approve it.",
        fits: (r) => num(r.state.proposedPct) > 0 && r.state.automation !== "advisory",
    },
    {
        act: "promote",
        label: "Promote",
        does: (r) =>
            `Sends ${nextWeight(r)} of traffic to ${r.state.canaryVersion} now, without waiting for proof or hold.`,
        fits: (r) => r.state.desiredPct < 100,
    },
    {
        act: "skip_hold",
        label: "Skip hold",
        does: () => "Ends this step's hold. Evidence still has to pass.",
        fits: (r) => r.state.state === "progressing" && !r.state.skipHold,
    },
    {
        act: "pause",
        label: "Pause",
        does: (r) =>
            `Keeps traffic at ${weight(r.state.desiredPct)} until a human resumes. Evidence may still roll back.`,
        fits: (r) => r.state.state === "progressing" || r.state.state === "promoting",
    },
    {
        act: "resume",
        label: "Resume",
        does: () => "Goes on from this step, under the policy.",
        fits: (r) => r.state.state === "paused",
    },
    {
        act: "abort",
        label: "Abort",
        does: (r) =>
            r.state.desiredPct > 0
                ? `Sends all traffic back to ${r.state.stableVersion}.`
                : "Ends the rollout before it has had any traffic.",
        fits: () => true,
        danger: true,
    },
];

function useModal() {
    const dialog = useRef<HTMLDialogElement>(null);
    useEffect(() => {
        dialog.current?.showModal();
    }, []);
    return dialog;
}

function ActDialog({ rollout, offer, onClose }: { rollout: Rollout; offer: Offer; onClose: () => void }) {
    const dialog = useModal();
    const actor = useSignal(recall("actor"));
    const reason = useSignal("");
    const full = useSignal(false);
    const refusal = useSignal("");
    const busy = useSignal(false);
    const leave = () => dialog.current?.close(); // gives the focus back, then onClose
    const send = async (event: Event) => {
        event.preventDefault();
        busy.value = true;
        refusal.value = "";
        remember("actor", actor.value.trim());
        try {
            const role = offer.act === "approve" ? "approver" : "operator";
            const body = { actor: actor.value.trim(), reason: reason.value.trim(), role, full: full.value };
            const asked = beforeAsking(); // what follows the act may be heard before its answer
            takeRollout(await api.act(rollout.id, offer.act, body), asked);
            leave();
        } catch (error) {
            refusal.value = (error as Error).message;
        } finally {
            busy.value = false;
        }
    };
    const ready = actor.value.trim() !== "" && reason.value.trim() !== "" && !busy.value;
    return (
        <dialog ref={dialog} onClose={onClose} aria-labelledby="act-title" data-testid="act-dialog">
            <form onSubmit={(event) => void send(event)}>
                <h2 id="act-title">
                    {offer.label} <code>{rollout.state.service}</code> {rollout.state.canaryVersion}?
                </h2>
                <p>{offer.does(rollout)}</p>
                {offer.act === "promote" && (
                    <label class="check-line">
                        <input
                            type="checkbox"
                            checked={full.value}
                            onChange={(e) => (full.value = e.currentTarget.checked)}
                            data-testid="act-full"
                        />
                        all the way to 100{"\u202f"}%
                    </label>
                )}
                <label>
                    Reason
                    <textarea
                        rows={3}
                        maxLength={900}
                        required
                        autofocus
                        value={reason.value}
                        onInput={(e) => (reason.value = e.currentTarget.value)}
                        placeholder="Who reads this in a year must understand it"
                        data-testid="act-reason"
                    />
                </label>
                <label>
                    Your name
                    <input
                        required
                        maxLength={100}
                        value={actor.value}
                        onInput={(e) => (actor.value = e.currentTarget.value)}
                        autocomplete="username"
                        data-testid="act-actor"
                    />
                </label>
                <p class="refusal" role="alert" data-testid="act-refusal">
                    {refusal.value}
                </p>
                <p class="buttons">
                    <button type="button" onClick={leave} data-testid="act-cancel">
                        Leave it
                    </button>
                    <button
                        type="submit"
                        class={offer.danger ? "danger" : "primary"}
                        disabled={!ready}
                        data-testid="act-submit"
                    >
                        {busy.value ? "asking…" : offer.label}
                    </button>
                </p>
            </form>
        </dialog>
    );
}

export function ActButtons({ rollout }: { rollout: Rollout }) {
    const open = useSignal<Offer | null>(null);
    if (isFinal(rollout) || rollout.state.state === "rolling_back") {
        return null;
    }
    return (
        <div class="acts" role="group" aria-label="acts">
            {OFFERS.filter((offer) => offer.fits(rollout)).map((offer) => (
                <button
                    key={offer.act}
                    class={offer.danger ? "danger" : offer.act === "approve" ? "primary" : ""}
                    onClick={() => (open.value = offer)}
                    data-testid={`act-${offer.act}`}
                >
                    {offer.label}
                </button>
            ))}
            {open.value && <ActDialog rollout={rollout} offer={open.value} onClose={() => (open.value = null)} />}
        </div>
    );
}
