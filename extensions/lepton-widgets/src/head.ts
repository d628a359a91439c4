import type { Facts, Model } from './model';
import { node, say } from './nodes';
import { bytes, duration, number, percent, whole } from './text';

/** How long the kernel may take to answer before a person is told another way. */
const PATIENCE_MS = 4000;
const BUSY = 'The kernel does not answer while it works here: interrupt it instead (the ■ button of the notebook).';
// A sign beside each word, so that states differ in shape as well.
const SIGNS: Record<string, string> = { waiting: '○', running: '▶', finished: '✓', stopped: '■', failed: '✕', unseen: '?' };

/** Name, status, Stop, progress and what the training takes. */
export class Head {
  readonly element: HTMLElement;
  private readonly status = node('span', 'status', { 'data-lepton': 'status' });
  private readonly stop = node('button', 'stop', { type: 'button' }, 'Stop');
  private readonly bar = node('div', 'bar', { role: 'progressbar', 'aria-label': 'progress', 'aria-valuemin': '0' });
  private readonly filled = node('div', 'filled');
  private readonly where = node('div', 'where', { 'data-lepton': 'progress' });
  private readonly list = node('dl', 'facts');
  private readonly hint = node('div', 'hint', { role: 'alert' });
  private readonly spoken = node('div', 'spoken', { 'aria-live': 'polite', role: 'status' });
  private readonly values = new Map<string, { row: HTMLElement; value: HTMLElement }>();
  private pressed = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly model: Model) {
    const { name, run, stop } = model.get('about');
    const title = node('span', 'title', { title: `run ${run}` }, name);
    this.bar.append(this.filled);
    this.stop.hidden = !stop;
    this.stop.title = 'finish this batch, keep the best weights and end';
    this.stop.addEventListener('click', () => { this.ask(); });
    const first = node('div', 'first', {}, title, this.status, this.stop);
    this.element = node('div', 'head', {}, first, this.bar, this.where, this.hint, this.list, this.spoken);
  }

  draw(facts: Partial<Facts>): void {
    const phase = facts.phase ?? 'waiting';
    const asked = facts.asked === true;
    const word = asked ? 'stopping after this batch' : phase;
    const text = facts.text ? `: ${facts.text}` : '';
    say(this.status, `${asked ? '■' : (SIGNS[phase] ?? '')} ${word}${text}`);
    say(this.spoken, `training ${this.model.get('about').name}: ${word}${text}`);
    this.element.dataset.phase = phase;
    this.drawStop(facts, phase === 'running' || phase === 'waiting');
    this.drawProgress(facts, phase);
    this.drawFacts(facts);
  }

  destroy(): void {
    clearTimeout(this.timer);
  }

  private ask(): void {
    if (this.pressed || this.stop.getAttribute('aria-disabled') === 'true') {
      return;
    }
    this.pressed = true;
    this.model.send({ ask: 'stop' });
    this.drawStop(this.model.get('facts'), true);
    this.timer = setTimeout(() => { say(this.hint, BUSY); }, PATIENCE_MS);
  }

  private drawStop(facts: Partial<Facts>, going: boolean): void {
    const problem = facts.problem ?? '';
    if (facts.asked === true || problem !== '' || !going) {
      clearTimeout(this.timer);
      this.pressed = false;
      say(this.hint, problem);
    }
    const able = going && !this.pressed && facts.asked !== true;
    // It stays focusable: who pressed it by the keyboard is not thrown out of the view.
    this.stop.setAttribute('aria-disabled', String(!able));
    this.stop.hidden = !this.model.get('about').stop || !going;
    say(this.stop, facts.asked === true ? 'Stopping' : this.pressed ? 'Asking to stop' : 'Stop');
  }

  private drawProgress(facts: Partial<Facts>, phase: string): void {
    const { total = 0, done = 0, epochs = 0, epoch = 0 } = facts;
    const parts = [epochs > 0 ? `epoch ${whole(epoch)} of ${whole(epochs)}` : `epoch ${whole(epoch)}`];
    parts.push(total > 0 ? `batch ${whole(done)} of ${whole(total)}` : `batch ${whole(done)}`);
    parts.push(duration(facts.seconds ?? 0));
    if (phase === 'running') {
      const left = facts.left ?? null;
      parts.push(left === null ? 'time left unknown' : `at most ${duration(left)} left`);
    }
    const text = parts.join(' · ');
    say(this.where, text);
    const share = total > 0 ? Math.min(1, done / total) : 0;
    this.filled.style.width = `${(100 * share).toFixed(2)}%`;
    this.bar.setAttribute('aria-valuemax', String(Math.max(total, 1)));
    this.bar.setAttribute('aria-valuenow', String(Math.min(done, Math.max(total, 1))));
    this.bar.setAttribute('aria-valuetext', text);
  }

  private drawFacts(facts: Partial<Facts>): void {
    const best = Object.entries(facts.best_metrics ?? {}).map(([name, value]) => `${name} ${number(value)}`);
    const epoch = facts.best ?? null;
    this.fact('best epoch', epoch === null ? null : `${whole(epoch)}${best.length > 0 ? ': ' : ''}${best.join(', ')}`);
    this.fact('rows/s', shown(facts.rate, whole));
    this.fact('CPU', shown(facts.cpu, cpu => `${number(cpu)} ${cpu === 1 ? 'core' : 'cores'}`));
    this.fact('memory', shown(facts.memory, memory => `${bytes(memory)}, most ${bytes(facts.peak ?? memory)}`));
    this.fact('GPU', shown(facts.gpu, percent));
    this.fact('GPU memory', shown(facts.gpu_memory, bytes));
    this.fact('note', facts.notes?.at(-1) ?? null);
  }

  private fact(name: string, text: string | null): void {
    let entry = this.values.get(name);
    if (entry === undefined) {
      const value = node('dd', '', { 'data-lepton': name });
      entry = { row: node('div', 'fact', {}, node('dt', '', {}, name), value), value };
      this.values.set(name, entry);
      this.list.append(entry.row);
    }
    entry.row.hidden = text === null;
    say(entry.value, text ?? '');
  }
}

function shown(value: number | null | undefined, format: (value: number) => string): string | null {
  return value === null || value === undefined ? null : format(value);
}
