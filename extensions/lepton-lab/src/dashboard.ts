import { Notification } from '@jupyterlab/apputils';

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
      offer(url);
    }
  } catch (cause) {
    tab?.close();
    Notification.error(`The dashboard did not start. ${message(cause)}`, { autoClose: false });
  }
}

function offer(url: string): void {
  Notification.info('The dashboard is ready, but the browser blocked its tab.', {
    autoClose: false,
    actions: [{ label: 'Open', displayType: 'accent', callback: () => window.open(url, '_blank', 'noopener') }]
  });
}
