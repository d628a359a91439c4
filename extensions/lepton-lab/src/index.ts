import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Clipboard, ICommandPalette, Notification } from '@jupyterlab/apputils';

import { LeptonApi } from './api';
import { addCommands, OPEN_DASHBOARD } from './commands';
import { choosePage, framedDashboard, openDashboard } from './dashboard';
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
    let shown: ReturnType<typeof framedDashboard> = Promise.resolve(null);
    addCommands(app.commands, palette, {
      openDashboard: () => openDashboard(() => api.dashboard()),
      showDashboard: async () => {
        const asked = await choosePage(() => api.deployments());
        if (!asked) {
          return;
        }
        // Asked for twice while it starts, it is one tab all the same.
        shown = shown.then(tab =>
          framedDashboard(() => api.framedDashboard(asked), tab && !tab.isDisposed ? tab : null)
        );
        const tab = await shown;
        if (tab && !tab.isAttached) {
          app.shell.add(tab, 'main');
        }
        if (tab) {
          app.shell.activateById(tab.id);
        }
      },
      showRuns: () => {
        app.shell.activateById(panel.id);
      }
    });
    app.shell.add(panel, 'left', { rank: 650 });
    restorer?.add(panel, panel.id);
  }
};

export default plugin;
