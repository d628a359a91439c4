import { InputDialog, MainAreaWidget, Notification } from '@jupyterlab/apputils';
import { IFrame } from '@jupyterlab/ui-components';

import type { Asked } from './api';
import { leptonIcon } from './icons';
import { message } from './text';

/**
 * Show the dashboard in a browser tab of its own.
 *
 * The tab is opened before the server is asked: a browser blocks a tab that opens seconds after the click.
 *
 * @param address starts the dashboard, or finds it running, and tells where it is.
 */
export async function openDashboard(address: () => Promise<string>): Promise<void> {
  const tab = window.open('about:blank', '_blank');
  if (tab) {
    // The page must not reach back into JupyterLab.
    tab.opener = null;
    tab.document.title = 'Lepton dashboard';
    tab.document.body.textContent = 'Starting the dashboard…';
  }
  try {
    const url = await address();
    if (tab && !tab.closed) {
      tab.location.replace(url);
    } else {
      offer(url, 'The dashboard is ready, but the browser blocked its tab.');
    }
  } catch (cause) {
    tab?.close();
    refuse(cause);
  }
}

/**
 * Ask which page is wanted.
 *
 * @param deployments tells the names of those there are.
 * @returns the page, or null when the person wants none, or was told why it cannot be asked.
 */
export async function choosePage(deployments: () => Promise<readonly string[]>): Promise<Asked | null> {
  try {
    const pages = new Map<string, Asked>([['all deployments', { page: 'fleet', name: '' }]]);
    for (const name of await deployments()) {
      pages.set(`deployment ${name}`, { page: 'deployment', name });
    }
    pages.set('trainings', { page: 'training', name: '' });
    pages.set('pipelines', { page: 'pipelines', name: '' });
    const chosen = await InputDialog.getItem({ title: 'Show which page?', items: [...pages.keys()], okLabel: 'Show' });
    return chosen.button.accept ? (pages.get(chosen.value ?? '') ?? null) : null;
  } catch (cause) {
    refuse(cause);
    return null;
  }
}

/**
 * Makes the dashboard's tab inside JupyterLab, or has the one that is open show another page.
 *
 * Its address, which holds the token, is kept by the open tab alone: no layout, notebook or workspace records it.
 *
 * @param address as above, with the address for a frame, null where this page is not of the server's machine.
 * @param open the tab that is open, or null.
 * @returns the tab, or null after the person was told why there is none.
 */
export async function framedDashboard(
  address: () => Promise<{ url: string; frame: string | null }>,
  open: MainAreaWidget<IFrame> | null
): Promise<MainAreaWidget<IFrame> | null> {
  try {
    const { url, frame } = await address();
    if (frame === null) {
      offer(url, 'The dashboard is ready, but only a JupyterLab at 127.0.0.1 or localhost can show it within itself.');
      return open;
    }
    if (open) {
      open.content.url = frame;
      return open;
    }
    // Another origin than ours, so that `allow-same-origin` gives it its own cookie and nothing of JupyterLab.
    const content = new IFrame({
      sandbox: ['allow-scripts', 'allow-same-origin', 'allow-forms', 'allow-modals', 'allow-downloads']
    });
    content.url = frame;
    const tab = new MainAreaWidget({ content });
    tab.id = 'lepton-dashboard';
    tab.title.label = 'Lepton dashboard';
    tab.title.icon = leptonIcon;
    tab.title.closable = true;
    return tab;
  } catch (cause) {
    refuse(cause);
    return open;
  }
}

function refuse(cause: unknown): void {
  Notification.error(`The dashboard did not start. ${message(cause)}`, { autoClose: false });
}

function offer(url: string, why: string): void {
  Notification.info(why, {
    autoClose: false,
    actions: [{ label: 'Open', displayType: 'accent', callback: () => window.open(url, '_blank', 'noopener') }]
  });
}
