import { ServerConnection } from '@jupyterlab/services';
import { Poll } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';

import type { Run } from './api';
import { message } from './text';

/** What is known of the runs at one moment. */
export interface RunsState {
  /** The newest list that arrived; null before the first one. */
  readonly runs: readonly Run[] | null;
  /** Why the last request failed; null when it did not. */
  readonly error: string | null;
}

const SECOND = 1000;

/** Keeps the list of runs fresh while somebody looks at it. */
export class RunsModel {
  constructor(private readonly load: () => Promise<readonly Run[]>) {
    this.poll = new Poll({
      auto: false,
      name: 'lepton-lab:runs',
      factory: () => this.update(),
      // A server that does not answer is asked less often, never more.
      frequency: { interval: 5 * SECOND, backoff: true, max: 30 * SECOND },
      standby: 'when-hidden'
    });
  }

  get state(): RunsState {
    return this.current;
  }

  /** Emitted after each answer, good or bad. */
  get changed(): ISignal<this, void> {
    return this.changedSignal;
  }

  /** Ask now, then every five seconds. */
  start(): void {
    void this.poll.start();
  }

  /** Ask no more. */
  stop(): void {
    void this.poll.stop();
  }

  /** Ask now. */
  refresh(): void {
    void this.poll.refresh();
  }

  dispose(): void {
    this.poll.dispose();
    Signal.clearData(this);
  }

  private async update(): Promise<void> {
    try {
      this.current = { runs: await this.load(), error: null };
    } catch (cause) {
      const gone = cause instanceof ServerConnection.NetworkError;
      const error = gone ? 'The Jupyter server does not answer; next: see whether it still runs.' : message(cause);
      this.current = { ...this.current, error };
      throw cause;
    } finally {
      this.changedSignal.emit();
    }
  }

  private readonly poll: Poll;
  private readonly changedSignal = new Signal<this, void>(this);
  private current: RunsState = { runs: null, error: null };
}
