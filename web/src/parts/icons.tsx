// Small drawings on a 16 x 16 grid, in the colour of the text around them.
import type { ComponentChildren } from "preact";

function Icon({ children }: { children: ComponentChildren }) {
    return (
        <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
            <g fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round">
                {children}
            </g>
        </svg>
    );
}

/** One shape a state, so that the five are told apart without colour. */
export const icons = {
    pass: (
        <Icon>
            <circle cx="8" cy="8" r="6.2" />
            <path d="M5.2 8.2l2 2 3.6-4.2" />
        </Icon>
    ),
    insufficient: (
        <Icon>
            <path d="M4.5 2h7M4.5 14h7M5.2 2c0 3.4 5.6 4 5.6 6s-5.6 2.6-5.6 6M10.8 2c0 3.4-5.6 4-5.6 6s5.6 2.6 5.6 6" />
        </Icon>
    ),
    blind: (
        <Icon>
            <path d="M2.2 8S4.4 4.2 8 4.2 13.8 8 13.8 8 11.6 11.8 8 11.8 2.2 8 2.2 8zM2.8 13.2L13.2 2.8" />
        </Icon>
    ),
    error: (
        <Icon>
            <path d="M8 2.2l6.2 11.2H1.8zM8 6.6v3M8 11.5v.1" />
        </Icon>
    ),
    fail: (
        <Icon>
            <path d="M5.4 1.8h5.2l3.6 3.6v5.2l-3.6 3.6H5.4L1.8 10.6V5.4z" />
            <path d="M5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4" />
        </Icon>
    ),
    sun: (
        <Icon>
            <circle cx="8" cy="8" r="2.8" />
            <path d="M8 1.4v1.4M8 13.2v1.4M1.4 8h1.4M13.2 8h1.4M3.3 3.3l1 1M11.7 11.7l1 1" />
            <path d="M12.7 3.3l-1 1M4.3 11.7l-1 1" />
        </Icon>
    ),
    moon: (
        <Icon>
            <path d="M13.4 9.6A5.8 5.8 0 0 1 6.4 2.6a5.8 5.8 0 1 0 7 7z" />
        </Icon>
    ),
    chevron: (
        <Icon>
            <path d="M6 3.5L10.5 8 6 12.5" />
        </Icon>
    ),
    tick: (
        <Icon>
            <path d="M3.2 8.4l3 3 6.4-7" />
        </Icon>
    ),
    cross: (
        <Icon>
            <path d="M4 4l8 8M12 4l-8 8" />
        </Icon>
    ),
    person: (
        <Icon>
            <circle cx="8" cy="5" r="2.8" />
            <path d="M2.8 14c.5-3 2.6-4.4 5.2-4.4s4.7 1.4 5.2 4.4" />
        </Icon>
    ),
    arrow: (
        <Icon>
            <path d="M2.5 8h10M9 4.5L12.5 8 9 11.5" />
        </Icon>
    ),
} as const;

export function Mark() {
    return (
        <svg class="mark" viewBox="0 0 32 32" width="22" height="22" aria-hidden="true" focusable="false">
            <path
                d="M25 9.5A11 11 0 1 0 25 22.5"
                fill="none"
                stroke="currentColor"
                stroke-width="4"
                stroke-linecap="round"
            />
            <rect x="20" y="12" width="8" height="8" class="mark-dot" />
        </svg>
    );
}
