import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import React from 'react';

import { leptonIcon } from './icons';
import type { RunsModel } from './model';
import { type Actions, RunsView } from './view';

/** The side panel. It asks the server only while it is in sight. */
export class RunsPanel extends ReactWidget {
  constructor(
    private readonly model: RunsModel,
    private readonly actions: Actions
  ) {
    super();
    this.id = 'lepton-runs';
    this.addClass('lepton-Runs');
    this.title.icon = leptonIcon;
    this.title.caption = 'Lepton runs';
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Lepton runs');
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this.model.dispose();
      super.dispose();
    }
  }

  protected override render(): React.JSX.Element {
    return (
      <UseSignal signal={this.model.changed}>
        {() => <RunsView state={this.model.state} actions={this.actions} />}
      </UseSignal>
    );
  }

  protected override onAfterShow(): void {
    this.model.start();
  }

  protected override onAfterHide(): void {
    this.model.stop();
  }

  protected override onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    // A panel that a restored layout already shows gets no show message.
    if (this.isVisible) {
      this.model.start();
    }
  }

  protected override onBeforeDetach(msg: Message): void {
    super.onBeforeDetach(msg);
    this.model.stop();
  }

  protected override onActivateRequest(): void {
    this.node.querySelector<HTMLElement>('.lepton-Runs-row[tabindex="0"], button, jp-button')?.focus();
  }
}
