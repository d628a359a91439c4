import { Chart, type Asks, type Span } from './chart';
import { valueAt, type Curve } from './model';
import { node, say } from './nodes';
import { look, swatch } from './style';
import { number, whole } from './text';

const KEYS = 'arrow keys move along the steps, + and - zoom, 0 shows everything, L changes the scale';

interface Entry {
  button: HTMLButtonElement;
  value: HTMLElement;
}

/** Losses or other metrics: a plot, and under it a button for each curve that hides or shows it. */
export class Panel {
  readonly element: HTMLElement;
  readonly plot: HTMLElement;
  private readonly heading = node('span', 'heading');
  private readonly list = node('div', 'legend', { role: 'group' });
  private readonly entries: Entry[] = [];
  private readonly hidden = new Set<string>();
  private readonly chart: Chart;
  private curves: Curve[] = [];

  constructor(
    readonly kind: Curve['panel'],
    private readonly title: string,
    asks: Asks,
    private readonly changed: () => void
  ) {
    this.plot = node('div', 'plot', { tabindex: '0', role: 'group', 'aria-roledescription': 'chart' });
    this.list.setAttribute('aria-label', `curves of ${title}`);
    this.element = node('div', 'panel', { 'data-panel': kind }, this.heading, this.plot, this.list);
    this.chart = new Chart(this.plot, asks);
  }

  draw(every: Curve[], span: Span, log: boolean, best: number | null): void {
    this.curves = every.filter(curve => curve.panel === this.kind);
    this.element.hidden = this.curves.length === 0;
    if (this.element.hidden) {
      return;
    }
    this.curves.forEach((curve, place) => { this.enter(curve, place); });
    const places = this.curves.flatMap((curve, place) => (this.hidden.has(curve.name) ? [] : [place]));
    const shown = this.curves.filter(curve => !this.hidden.has(curve.name));
    this.chart.draw(shown, places, span, log, best);
    const last = this.curves.map(curve => `${curve.name} ${number(curve.last)}`).join(', ');
    this.plot.setAttribute('aria-label', `${this.title}${log ? ', logarithmic' : ''}: ${last}; ${KEYS}`);
  }

  /** Show the values at a step, or the last ones. Returns them in words. */
  read(step: number | null, move: boolean): string {
    const values = this.curves.map(curve => (step === null ? curve.last : valueAt(curve, step)));
    values.forEach((value, place) => {
      const entry = this.entries[place];
      if (entry !== undefined) {
        say(entry.value, number(value));
      }
    });
    say(this.heading, step === null ? this.title : `${this.title} at step ${whole(step)}`);
    if (move) {
      this.chart.point(step);
    }
    return this.curves.map((curve, place) => `${curve.name} ${number(values[place])}`).join(', ');
  }

  repaint(): void {
    this.chart.repaint();
  }

  destroy(): void {
    this.chart.destroy();
  }

  private enter(curve: Curve, place: number): void {
    let entry = this.entries[place];
    if (entry === undefined) {
      const value = node('span', 'value');
      const name = node('span', 'name', {}, curve.name);
      const button = node('button', 'curve', { type: 'button', 'aria-pressed': 'true' }, swatch(look(place)), name, value);
      button.title = 'hide or show this curve';
      button.addEventListener('click', () => {
        const shows = this.hidden.delete(curve.name);
        if (!shows) {
          this.hidden.add(curve.name);
        }
        button.setAttribute('aria-pressed', String(shows));
        this.changed();
      });
      entry = { button, value };
      this.entries[place] = entry;
      this.list.append(button);
    }
    entry.button.dataset.series = curve.name;
    entry.button.dataset.count = String(curve.count);
    entry.button.dataset.points = String(curve.steps.length);
  }
}
