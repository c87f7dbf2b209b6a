import type { ComponentChildren } from "preact";

/** Nothing to show is a chance to say what to do next. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
    return (
        <section class="empty" data-testid="empty">
            <h2>{title}</h2>
            {children}
        </section>
    );
}

export function Loading() {
    return (
        <p class="loading" role="status">
            fetching…
        </p>
    );
}
