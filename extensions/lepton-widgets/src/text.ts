/** Four significant digits, as the tables of Python show them. */
export function number(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) {
    return '–';
  }
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) {
    return value.toExponential(2);
  }
  return String(Number(value.toPrecision(4)));
}

/** Ticks of an axis, with the digits that tell neighbours apart; null where an axis leaves one out. */
export function ticks(values: (number | null)[], apart: number): string[] {
  const digits = apart > 0 ? Math.max(0, Math.ceil(-Math.log10(apart) - 1e-9)) : 0;
  const short = (value: number): string => (digits > 6 || Math.abs(value) >= 1e6 ? number(value) : value.toFixed(digits));
  return values.map(value => (value === null ? '' : short(value)));
}

export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

export function bytes(value: number): string {
  const mebibytes = value / 2 ** 20;
  return mebibytes < 1024 ? `${whole(mebibytes)} MiB` : `${(mebibytes / 1024).toFixed(1)} GiB`;
}

export function percent(share: number): string {
  return `${whole(100 * share)} %`;
}

export function duration(seconds: number): string {
  const rounded = Math.round(seconds);
  if (rounded < 60) {
    return `${rounded} s`;
  }
  const minutes = Math.floor(rounded / 60);
  if (minutes < 60) {
    return `${minutes} min ${rounded % 60} s`;
  }
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
