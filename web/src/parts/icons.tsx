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
            <path d="M2.2 8S4.4 4.2 8 4.2 13.8 8 13.8 8 11.6 11.8 8 11.8 2.2 8 2.2 8zM2.8 13.200L13.2 2.8" />
        </Icon>
    ),
    error: (
        <Icon>
            <path d="M8 2.200l6.2 11.200H1.800zM8 6.600v3M8 11.500v.1" />
        </Icon>
    ),
    fail: (
        <Icon>
            <path d="M5.4 1.800h5.200l3.6 3.600v5.200l-3.6 3.600H5.400L1.8 10.600V5.400zM5.8 5.800l4.4 4.400M10.2 5.800l-4.4 4.4" />
        </Icon>
    ),
    sun: (
        <Icon>
            <circle cx="8" cy="8" r="2.8" />
            <path d="M8 1.400v1.400M8 13.200v1.400M1.4 8h1.400M13.2 8h1.400M3.3 3.300l1 1M11.7 11.700l1 1M12.7 3.300l-1 1M4.3 11.700l-1 1" />
        </Icon>
    ),
    moon: (
        <Icon>
            <path d="M13.4 9.600A5.8 5.8 0 0 1 6.4 2.600a5.8 5.8 0 1 0 7 7z" />
        </Icon>
    ),
    chevron: (
        <Icon>
            <path d="M6 3.500L10.5 8 6 12.5" />
        </Icon>
    ),
    tick: (
        <Icon>
            <path d="M3.2 8.400l3 3 6.4-7" />
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
            <path d="M2.8 14c.5-3 2.6-4.4 5.2-4.400s4.7 1.4 5.2 4.4" />
        </Icon>
    ),
    arrow: (
        <Icon>
            <path d="M2.5 8h10M9 4.500L12.5 8 9 11.5" />
        </Icon>
    ),
} as const;

export function Mark() {
    return (
        <svg class="mark" viewBox="0 0 32 32" width="22" height="22" aria-hidden="true" focusable="false">
            <path d="M25 9.500A11 11 0 1 0 25 22.5" fill="none" stroke="currentColor" stroke-width="4" stroke-linecap="round" />
            <rect x="20" y="12" width="8" height="8" class="mark-dot" />
        </svg>
    );
}
