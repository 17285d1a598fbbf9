/**
 * How zod checks what is configured. By default it writes code for each object's schema and compiles it, which pays for
 * many values; of a configuration there is one.
 */
export const CHECKED_ONCE = { jitless: true } as const;
