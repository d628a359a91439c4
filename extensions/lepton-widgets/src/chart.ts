import uPlot from 'uplot';
import type { Curve } from './model';
import { look } from './style';
import { number, ticks, whole } from './text';

const HEIGHT = 200;
const NAMES = 104;
const WIDE = 560;

export interface Span {
  min: number;
  max: number;
}

export interface Asks {
  /** A person chose a span of steps, or all of them. */
  zoom: (span: Span | null) => void;
  /** The pointer is at a step, or away. */
  point: (step: number | null) => void;
}

/** One panel's plot. It is made anew when its lines or its scale change, and only given data otherwise. */
export class Chart {
  private plot: uPlot | undefined;
  private made = '';
  private shown: Curve[] = [];
  private span: Span = { min: 0, max: 1 };
  private best: number | null = null;

  constructor(
    private readonly host: HTMLElement,
    private readonly asks: Asks
  ) {}

  draw(curves: Curve[], places: number[], span: Span, log: boolean, best: number | null): void {
    this.shown = curves;
    this.span = span;
    this.best = best;
    const width = Math.floor(this.host.clientWidth);
    if (width < 50) {
      return;
    }
    const wanted = JSON.stringify([log, width > WIDE, curves.map((curve, i) => [curve.name, places[i]])]);
    const data = this.joined(log);
    if (this.plot === undefined || wanted !== this.made) {
      this.destroy();
      this.made = wanted;
      this.plot = new uPlot(this.options(places, log, width), data, this.host);
    } else {
      if (this.plot.width !== width) {
        this.plot.setSize({ width, height: HEIGHT });
      }
      this.plot.setData(data);
    }
  }

  /** Paint again, with the colours of now. */
  repaint(): void {
    this.plot?.redraw(false);
  }

  /** Put the pointer's line at a step. */
  point(step: number | null): void {
    const left = step === null || this.plot === undefined ? -10 : this.plot.valToPos(step, 'x');
    this.plot?.setCursor({ left, top: step === null ? -10 : HEIGHT / 2 }, false);
  }

  destroy(): void {
    this.plot?.destroy();
    this.plot = undefined;
  }

  private joined(log: boolean): uPlot.AlignedData {
    const tables = this.shown.map((curve): uPlot.AlignedData => {
      const fits = (value: number | null): number | null => (value !== null && log && value <= 0 ? null : value);
      return [curve.steps, curve.values.map(fits)];
    });
    return tables.length === 0 ? [[]] : uPlot.join(tables);
  }

  private options(places: number[], log: boolean, width: number): uPlot.Options {
    const ink = (name: string): (() => string) => () => getComputedStyle(this.host).getPropertyValue(name);
    const axis: uPlot.Axis = {
      stroke: ink('--lepton-muted-ink'),
      grid: { stroke: ink('--lepton-grid-ink'), width: 1 },
      ticks: { show: false },
      font: '11px system-ui, sans-serif'
    };
    return {
      width,
      height: HEIGHT,
      padding: [10, width > WIDE ? NAMES : 14, 0, 0],
      legend: { show: false },
      cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
      scales: {
        x: { time: false, range: () => [this.span.min, this.span.max] },
        // uPlot's names for these numbers are in its types only: no code of it holds them.
        // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment
        y: { distr: log ? 3 : 1, range: (_plot, low, high) => rangeOf(low, high, log) }
      },
      axes: [
        { ...axis, size: 28, values: (_plot, at) => at.map(whole) },
        {
          ...axis,
          size: 58,
          // The ticks of a logarithmic axis are each as far apart as they are large.
          values: (_plot, at: (number | null)[], _axis, _space, apart) =>
            log ? at.map(tick => (tick === null ? '' : number(tick))) : ticks(at, apart)
        }
      ],
      series: [
        {},
        ...places.map((place): uPlot.Series => {
          const { dash, colour } = look(place);
          return { stroke: ink(colour), dash: [...dash], width: 1.6 };
        })
      ],
      hooks: {
        draw: [plot => { this.drawMarks(plot, width > WIDE, places); }],
        setSelect: [plot => { this.selected(plot); }],
        setCursor: [plot => { this.pointed(plot); }]
      }
    };
  }

  private selected(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width > 3) {
      this.asks.zoom({ min: plot.posToVal(left, 'x'), max: plot.posToVal(left + width, 'x') });
      plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    }
  }

  private pointed(plot: uPlot): void {
    const left = plot.cursor.left ?? -1;
    this.asks.point(left < 0 ? null : plot.posToVal(left, 'x'));
  }

  /** The best epoch as a line with its word, and the name of each line at its end. */
  private drawMarks(plot: uPlot, names: boolean, places: number[]): void {
    const { ctx, bbox } = plot;
    const style = getComputedStyle(this.host);
    const unit = devicePixelRatio;
    ctx.save();
    ctx.font = `${11 * unit}px system-ui, sans-serif`;
    ctx.textBaseline = 'middle';
    if (this.best !== null && this.best >= this.span.min && this.best <= this.span.max) {
      const x = plot.valToPos(this.best, 'x', true);
      ctx.strokeStyle = ctx.fillStyle = style.getPropertyValue('--lepton-muted-ink');
      ctx.setLineDash([unit, 2 * unit]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.textAlign = 'right';
      ctx.fillText('best', x - 4 * unit, bbox.top + 6 * unit);
    }
    if (names) {
      ctx.textAlign = 'left';
      for (const { place, y } of this.ends(plot, unit)) {
        ctx.fillStyle = style.getPropertyValue(look(places[place] ?? 0).colour);
        const name = this.shown[place]?.name ?? '';
        const short = name.length > 16 ? `${name.slice(0, 15)}…` : name;
        ctx.fillText(short, bbox.left + bbox.width + 6 * unit, y);
      }
    }
    ctx.restore();
  }

  /** Where each line's name goes: at the height of its end, or as near as there is room. */
  private ends(plot: uPlot, unit: number): { place: number; y: number }[] {
    const spots = this.shown.flatMap((curve, place) => {
      const last = curve.values.findLast(value => value !== null);
      const y = typeof last !== 'number' ? NaN : plot.valToPos(last, 'y', true);
      return Number.isFinite(y) ? [{ place, y }] : [];
    });
    spots.sort((one, other) => one.y - other.y);
    const { top, height } = plot.bbox;
    const apart = Math.min(13 * unit, height / Math.max(1, spots.length));
    let least = top;
    for (const spot of spots) {
      spot.y = Math.max(spot.y, least);
      least = spot.y + apart;
    }
    let most = top + height;
    for (const spot of spots.reverse()) {
      spot.y = Math.min(spot.y, most);
      most = spot.y - apart;
    }
    return spots;
  }
}

function rangeOf(low: number | null, high: number | null, log: boolean): uPlot.Range.MinMax {
  if (low === null || high === null) {
    return log ? [0.1, 1] : [0, 1];
  }
  if (log) {
    return uPlot.rangeLog(low, high, 10, false);
  }
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - room, high + room];
}
