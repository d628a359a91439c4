import type { AnyModel } from '@anywidget/types';

/** What is known of a training beside its curves; Python's `facts_of` makes it. */
export interface Facts {
  phase: string;
  text: string;
  epochs: number;
  epoch: number;
  total: number;
  done: number;
  seconds: number;
  left: number | null;
  rate: number | null;
  cpu: number | null;
  memory: number | null;
  peak: number | null;
  gpu: number | null;
  gpu_memory: number | null;
  best: number | null;
  best_step: number | null;
  best_metrics: Record<string, number | null>;
  notes: string[];
  asked: boolean;
  problem: string;
}

/** What a curve is, without its points. */
export interface Named {
  name: string;
  panel: 'loss' | 'metric';
  count: number;
  last: number | null;
}

export interface State {
  about: { run: string; name: string; stop: boolean };
  facts: Partial<Facts>;
  curves: Named[];
  log: string[];
  [curve: `curve_${number}`]: DataView | undefined;
}

export type Model = AnyModel<State>;

/** A curve with its points; a gap is null. */
export interface Curve extends Named {
  place: number;
  steps: number[];
  values: (number | null)[];
}

/** Points as Python's `packed` writes them: steps as 32-bit whole numbers, then values as 32-bit floats. */
export function unpack(bytes: DataView | undefined): Pick<Curve, 'steps' | 'values'> {
  const count = bytes === undefined ? 0 : bytes.byteLength / 8;
  const steps = new Array<number>(count);
  const values = new Array<number | null>(count);
  for (let i = 0; bytes !== undefined && i < count; i++) {
    const value = bytes.getFloat32(4 * (count + i), true);
    steps[i] = bytes.getUint32(4 * i, true);
    values[i] = Number.isFinite(value) ? value : null;
  }
  return { steps, values };
}

/** The value of a curve at a step, or the one before it; null where there is none. */
export function valueAt(curve: Curve, step: number): number | null {
  let low = 0;
  let high = curve.steps.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((curve.steps[middle] ?? 0) <= step) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return curve.values[low - 1] ?? null;
}

/** The curves of a model, of which only those that changed are unpacked again. */
export class Curves {
  private readonly known = new Map<number, { bytes: DataView | undefined } & Pick<Curve, 'steps' | 'values'>>();

  constructor(private readonly model: Model) {}

  read(): Curve[] {
    return this.model.get('curves').map((named, place) => {
      const bytes = this.model.get(`curve_${place}`);
      let held = this.known.get(place);
      if (held?.bytes !== bytes || held === undefined) {
        held = { bytes, ...unpack(bytes) };
        this.known.set(place, held);
      }
      return { ...named, place, steps: held.steps, values: held.values };
    });
  }
}
