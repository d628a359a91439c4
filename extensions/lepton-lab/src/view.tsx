import { errorIcon, launchIcon, refreshIcon, ToolbarButtonComponent } from '@jupyterlab/ui-components';
import React from 'react';

import type { Run } from './api';
import { leptonIcon, statusIcon } from './icons';
import type { RunsState } from './model';
import * as text from './text';

/** What a person can do from the panel. */
export interface Actions {
  refresh: () => void;
  openDashboard: () => void;
  copyId: (run: Run) => void;
}

/** The whole panel: heading, then what went wrong, then the runs. */
export function RunsView({ state, actions }: { state: RunsState; actions: Actions }): React.JSX.Element {
  return (
    <>
      <div className="lepton-Runs-header">
        <h2>Lepton runs</h2>
        <ToolbarButtonComponent
          icon={refreshIcon}
          tooltip="Refresh the runs"
          onClick={actions.refresh}
        />
        <ToolbarButtonComponent
          icon={launchIcon}
          tooltip="Open the deployments dashboard"
          onClick={actions.openDashboard}
        />
      </div>
      {state.error !== null && <Failure error={state.error} stale={state.runs !== null} retry={actions.refresh} />}
      {state.runs === null ? state.error === null && <Waiting /> : <Content runs={state.runs} actions={actions} />}
    </>
  );
}

function Waiting(): React.JSX.Element {
  return <p className="lepton-Runs-note">Reading the runs…</p>;
}

function Failure({ error, stale, retry }: { error: string; stale: boolean; retry: () => void }): React.JSX.Element {
  const [what, next] = error.split('; next: ');
  return (
    <div className="lepton-Runs-error" role="alert">
      <errorIcon.react tag="span" className="lepton-Runs-icon" />
      <div>
        <p>{what}</p>
        {next !== undefined && <p>Next: {next}</p>}
        {stale && <p>The list below may be out of date.</p>}
        <button className="jp-Button lepton-Runs-retry" onClick={retry}>
          Try again
        </button>
      </div>
    </div>
  );
}

function Content({ runs, actions }: { runs: readonly Run[]; actions: Actions }): React.JSX.Element {
  return runs.length === 0 ? <Empty /> : <RunList runs={runs} actions={actions} />;
}

function Empty(): React.JSX.Element {
  return (
    <div className="lepton-Runs-empty">
      <leptonIcon.react tag="span" width="40px" height="40px" />
      <p>No runs yet. Train a network in a notebook cell, and it appears here:</p>
      <pre>{'%load_ext lepton_nb\n%lepton train cnn --data digits'}</pre>
    </div>
  );
}

/** One tab stop for the whole list; the arrow keys, Home and End walk along it. */
function RunList({ runs, actions }: { runs: readonly Run[]; actions: Actions }): React.JSX.Element {
  const [chosen, choose] = React.useState<string | null>(null);
  const list = React.useRef<HTMLUListElement>(null);
  const index = Math.max(
    0,
    runs.findIndex(run => run.id === chosen)
  );

  const walk = (event: React.KeyboardEvent): void => {
    const steps: Partial<Record<string, number>> = {
      ArrowDown: Math.min(index + 1, runs.length - 1),
      ArrowUp: Math.max(index - 1, 0),
      Home: 0,
      End: runs.length - 1
    };
    const target = steps[event.key];
    if (target !== undefined) {
      event.preventDefault();
      list.current?.querySelectorAll<HTMLElement>('button')[target]?.focus();
    }
  };

  return (
    <ul className="lepton-Runs-list" aria-label="Runs, newest first" ref={list} onKeyDown={walk}>
      {runs.map((run, position) => (
        <li key={run.id}>
          <RunRow
            run={run}
            reachable={position === index}
            onFocus={() => {
              choose(run.id);
            }}
            onClick={() => {
              actions.copyId(run);
            }}
          />
        </li>
      ))}
    </ul>
  );
}

interface RowProps {
  run: Run;
  reachable: boolean;
  onFocus: () => void;
  onClick: () => void;
}

function RunRow({ run, reachable, onFocus, onClick }: RowProps): React.JSX.Element {
  const Icon = statusIcon(run.status).react;
  return (
    <button
      className="lepton-Runs-row"
      data-status={run.status}
      tabIndex={reachable ? 0 : -1}
      title={`${run.name}, run ${run.id}\nClick or press Enter to copy the id`}
      onFocus={onFocus}
      onClick={onClick}
    >
      <Icon tag="span" className="lepton-Runs-icon" />
      <span className="lepton-Runs-line">
        <span className="lepton-Runs-name">{run.name}</span>
        <span className="lepton-Runs-small">{text.age(run.age_s)}</span>
      </span>
      <span className="lepton-Runs-line lepton-Runs-small">
        <span>{run.status}</span>
        {run.metric !== null && (
          <span className="lepton-Runs-metric">
            {run.metric} <b>{run.value === null ? '–' : text.value(run.value)}</b>
          </span>
        )}
      </span>
    </button>
  );
}
