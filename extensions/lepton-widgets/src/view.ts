import type { Span } from './chart';
import { Head } from './head';
import { Curves, type Curve, type Model } from './model';
import { node, onDark, say } from './nodes';
import { Panel } from './panel';
import { whole } from './text';

/** The live view of a training. */
export class View {
  readonly element: HTMLElement;
  private readonly head: Head;
  private readonly curves: Curves;
  private readonly panels: Panel[];
  private readonly scale = node('button', 'tool', { type: 'button', 'aria-pressed': 'false' }, 'Log scale');
  private readonly reset = node('button', 'tool', { type: 'button' }, 'Show all');
  private readonly tools: HTMLElement;
  private readonly log = node('pre', 'log', { 'data-lepton': 'log', tabindex: '0', 'aria-label': 'last lines of the log' });
  private readonly logs: HTMLElement;
  private readonly spoken = node('div', 'spoken', { 'aria-live': 'polite' });
  private read: Curve[] = [];
  private logarithmic = false;
  private span: Span | null = null;
  private step: number | null = null;
  private waiting = 0;
  private updates = 0;

  constructor(private readonly model: Model) {
    const asks = {
      zoom: (span: Span | null): void => { this.zoom(span); },
      point: (step: number | null): void => { this.point(step === null ? null : Math.round(step), false); }
    };
    const changed = (): void => { this.draw(); };
    this.head = new Head(model);
    this.curves = new Curves(model);
    this.panels = [new Panel('loss', 'loss', asks, changed), new Panel('metric', 'metrics', asks, changed)];
    this.scale.title = 'L';
    this.reset.title = '0, or a double click';
    this.scale.addEventListener('click', () => { this.toggleScale(); });
    this.reset.addEventListener('click', () => { this.zoom(null); });
    this.tools = node('div', 'tools', { role: 'group', 'aria-label': 'plots' }, this.scale, this.reset);
    this.logs = node('details', 'logs', { open: '' }, node('summary', '', {}, 'Log'), this.log);
    this.element = node('section', 'training', {
      'aria-label': `training ${model.get('about').name}`,
      // JupyterLab would take Enter, L and the arrow keys for commands of the notebook.
      'data-lm-suppress-shortcuts': 'true'
    });
    const panels = this.panels.map(panel => panel.element);
    this.element.append(this.head.element, this.tools, ...panels, this.logs, this.spoken);
    for (const panel of this.panels) {
      panel.plot.addEventListener('keydown', event => { this.key(event); });
      panel.plot.addEventListener('dblclick', () => { this.zoom(null); });
    }
  }

  /** Draw at the next frame; whatever comes until then is drawn with it. */
  soon(): void {
    this.waiting ||= requestAnimationFrame(() => {
      this.waiting = 0;
      this.updates += 1;
      this.draw();
    });
  }

  draw(): void {
    this.read = this.curves.read();
    const facts = this.model.get('facts');
    this.head.draw(facts);
    for (const panel of this.panels) {
      panel.draw(this.read, this.span ?? this.whole(), this.logarithmic && panel.kind === 'loss', facts.best_step ?? null);
      panel.read(this.step, false);
    }
    this.tools.hidden = this.read.length === 0;
    const lines = this.model.get('log');
    this.logs.hidden = lines.length === 0;
    say(this.log, lines.join('\n'));
    this.element.dataset.updates = String(this.updates);
  }

  /** Take the colours of the ground that the view stands on. */
  paint(): void {
    this.element.dataset.ground = onDark(this.element) ? 'dark' : 'light';
    for (const panel of this.panels) {
      panel.repaint();
    }
  }

  destroy(): void {
    cancelAnimationFrame(this.waiting);
    this.head.destroy();
    for (const panel of this.panels) {
      panel.destroy();
    }
  }

  private whole(): Span {
    const ends = this.read.flatMap(curve => [curve.steps[0] ?? Infinity, curve.steps.at(-1) ?? -Infinity]);
    const min = Math.min(...ends);
    const max = Math.max(...ends);
    return min < max ? { min, max } : { min: Number.isFinite(min) ? min - 1 : 0, max: Number.isFinite(max) ? max + 1 : 1 };
  }

  private zoom(span: Span | null): void {
    const all = this.whole();
    this.span = span && (span.max - span.min >= all.max - all.min ? null : span);
    this.element.dataset.zoomed = String(this.span !== null);
    this.draw();
  }

  private toggleScale(): void {
    this.logarithmic = !this.logarithmic;
    this.scale.setAttribute('aria-pressed', String(this.logarithmic));
    this.draw();
  }

  private point(step: number | null, byKey: boolean): void {
    this.step = step;
    const words = this.panels.map(panel => panel.read(step, true)).filter(text => text !== '');
    if (byKey && step !== null) {
      say(this.spoken, `step ${whole(step)}: ${words.join(', ')}`);
    }
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const { min, max } = this.span ?? this.whole();
    const at = this.step ?? max;
    const width = max - min;
    const around = (share: number): Span => ({ min: at - (at - min) * share, max: at + (max - at) * share });
    const move = (by: number): void => { this.point(Math.round(Math.min(max, Math.max(min, at + by))), true); };
    const deeds: Record<string, () => void> = {
      ArrowLeft: () => { move(-Math.max(1, width / 50)); },
      ArrowRight: () => { move(Math.max(1, width / 50)); },
      Home: () => { move(min - at); },
      End: () => { move(max - at); },
      '+': () => { this.zoom(around(0.5)); },
      '=': () => { this.zoom(around(0.5)); },
      '-': () => { this.zoom(around(2)); },
      '0': () => { this.zoom(null); },
      l: () => { this.toggleScale(); },
      L: () => { this.toggleScale(); },
      Escape: () => { this.point(null, true); }
    };
    const deed = deeds[event.key];
    if (deed !== undefined) {
      event.preventDefault();
      event.stopPropagation();
      deed();
    }
  }
}
