// JSON for reading: keys sorted as in the canonical form, coloured by kind.
import { canonical } from "../proof";

const TOKEN = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/gi;

export function pretty(value: unknown): string {
    return JSON.stringify(JSON.parse(canonical(value)), null, 2);
}

export function JsonView({ value }: { value: unknown }) {
    const text = pretty(value);
    const parts = [];
    let at = 0;
    for (const match of text.matchAll(TOKEN)) {
        const kind = match[2] ? "key" : match[1] ? "text" : match[3] ? "word" : "digits";
        const token = match[1] ?? match[0];
        parts.push(text.slice(at, match.index), <span class={`json-${kind}`}>{token}</span>);
        at = match.index + token.length;
    }
    parts.push(text.slice(at));
    return (
        <pre class="json" tabIndex={0} data-testid="entry-body">
            {parts}
        </pre>
    );
}
