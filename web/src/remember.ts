// What this browser remembers between visits. Where storage is forbidden, nothing is remembered and nothing breaks.
export function recall(key: string): string {
    try {
        return localStorage.getItem(`cqed.${key}`) ?? "";
    } catch {
        return "";
    }
}

export function remember(key: string, value: string): void {
    try {
        localStorage.setItem(`cqed.${key}`, value);
    } catch {
        // Forbidden: it is asked again next time.
    }
}
