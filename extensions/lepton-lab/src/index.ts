import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Clipboard, ICommandPalette, Notification } from '@jupyterlab/apputils';

import { LeptonApi } from './api';
import { addCommands, OPEN_DASHBOARD } from './commands';
import { openDashboard } from './dashboard';
import { RunsModel } from './model';
import { RunsPanel } from './panel';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'lepton-lab:plugin',
  description: 'The runs of the project in a side panel, and its dashboard from the palette.',
  autoStart: true,
  optional: [ICommandPalette, ILayoutRestorer],
  activate: (app: JupyterFrontEnd, palette: ICommandPalette | null, restorer: ILayoutRestorer | null) => {
    const api = new LeptonApi(app.serviceManager.serverSettings);
    const model = new RunsModel(() => api.runs());
    const panel = new RunsPanel(model, {
      refresh: () => {
        model.refresh();
      },
      openDashboard: () => void app.commands.execute(OPEN_DASHBOARD),
      copyId: run => {
        Clipboard.copyToSystem(run.id);
        Notification.success(`Copied the id of run ${run.name}.`, { autoClose: 2000 });
      }
    });
    addCommands(app.commands, palette, {
      openDashboard: () => openDashboard(() => api.dashboard()),
      showRuns: () => {
        app.shell.activateById(panel.id);
      }
    });
    app.shell.add(panel, 'left', { rank: 650 });
    restorer?.add(panel, panel.id);
  }
};

export default plugin;
