const UNITS: readonly (readonly [name: string, seconds: number])[] = [
  ['d', 86400],
  ['h', 3600],
  ['min', 60]
];

/** How long ago, in the largest unit that fits: `now`, `12 s`, `5 min`, `3 h`, `2 d`. */
export function age(seconds: number): string {
  for (const [name, size] of UNITS) {
    if (seconds >= size) {
      return `${Math.floor(seconds / size)} ${name}`;
    }
  }
  return seconds < 1 ? 'now' : `${Math.floor(seconds)} s`;
}

/** A metric's value in four significant digits. */
export function value(number: number): string {
  return Number(number.toPrecision(4)).toString();
}

/** What went wrong, in words. */
export function message(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
