import { Empty, Loading } from "../parts/empty";
import { RolloutRow } from "../parts/rollout_row";
import { liveRollouts, pastRollouts, rollouts } from "../state";

function NoRollouts() {
    return (
        <Empty title="No rollout yet">
            <p>A rollout starts when somebody says that a new version is there. By hand:</p>
            <pre tabIndex={0}>cqed rollout start SERVICE --version v2 --stable v1</pre>
            <p>or from CI, with a key that makes it safe to repeat:</p>
            <pre tabIndex={0}>
                {`curl -X POST ${location.origin}/cqed/v1/rollouts \\
  -H 'Content-Type: application/json' -H "Idempotency-Key: $CI_JOB_ID" \\
  -d '{"service":"SERVICE","version":"v2","stableVersion":"v1","author":"ci"}'`}
            </pre>
        </Empty>
    );
}

export function RolloutsPage() {
    if (rollouts.value === null) {
        return <Loading />;
    }
    const live = liveRollouts.value;
    const past = pastRollouts.value;
    return (
        <>
            <h1>Rollouts</h1>
            {live.length + past.length === 0 && <NoRollouts />}
            {live.length > 0 && (
                <section class="card list" data-testid="live-rollouts">
                    <h2>Live</h2>
                    {live.map((r) => (
                        <RolloutRow key={r.id} rollout={r} />
                    ))}
                </section>
            )}
            {past.length > 0 && (
                <section class="card list" data-testid="past-rollouts">
                    <h2>Past</h2>
                    {past.map((r) => (
                        <RolloutRow key={r.id} rollout={r} />
                    ))}
                </section>
            )}
        </>
    );
}
