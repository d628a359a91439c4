import type { ICommandPalette } from '@jupyterlab/apputils';
import type { CommandRegistry } from '@lumino/commands';

import { leptonIcon } from './icons';

export const OPEN_DASHBOARD = 'lepton:open-dashboard';
export const SHOW_DASHBOARD = 'lepton:show-dashboard';
export const SHOW_RUNS = 'lepton:show-runs';

const CATEGORY = 'Lepton';
const NO_ARGUMENTS = { args: { type: 'object', properties: {} } } as const;

/** What the commands do; the plugin says how. */
export interface Deeds {
  openDashboard: () => Promise<void>;
  showDashboard: () => Promise<void>;
  showRuns: () => void;
}

/** Register the commands and list them in the palette. */
export function addCommands(commands: CommandRegistry, palette: ICommandPalette | null, deeds: Deeds): void {
  commands.addCommand(OPEN_DASHBOARD, {
    label: 'Lepton: Open Dashboard',
    caption: 'Open the deployments dashboard in a new browser tab',
    icon: leptonIcon,
    describedBy: NO_ARGUMENTS,
    execute: deeds.openDashboard
  });
  commands.addCommand(SHOW_DASHBOARD, {
    label: 'Lepton: Show Dashboard',
    caption: 'Show a page of the dashboard, or one deployment, in a tab of JupyterLab',
    icon: leptonIcon,
    describedBy: NO_ARGUMENTS,
    execute: deeds.showDashboard
  });
  commands.addCommand(SHOW_RUNS, {
    label: 'Lepton: Show Runs',
    caption: 'Show the training runs in the left panel',
    icon: leptonIcon,
    describedBy: NO_ARGUMENTS,
    execute: deeds.showRuns
  });
  for (const command of [OPEN_DASHBOARD, SHOW_DASHBOARD, SHOW_RUNS]) {
    palette?.addItem({ command, category: CATEGORY });
  }
}
