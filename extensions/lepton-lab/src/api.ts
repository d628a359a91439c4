import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

/** One training run, as the server's list tells it. */
export interface Run {
  readonly id: string;
  readonly name: string;
  /** `running`, `finished`, `failed` or `stopped`. */
  readonly status: string;
  /** Name of the main metric, null before anything was measured. */
  readonly metric: string | null;
  /** Its value, null when there is none or it is not a finite number. */
  readonly value: number | null;
  /** Seconds since the run was created. */
  readonly age_s: number;
}

/** What is asked of the dashboard. */
export interface Asked extends Record<string, string> {
  /** `fleet`, `deployment`, `training` or `pipelines`. */
  readonly page: string;
  /** Of the deployment; empty for the other pages. */
  readonly name: string;
}

/** The Lepton routes of the Jupyter server that this page came from. */
export class LeptonApi {
  constructor(private readonly settings: ServerConnection.ISettings) {}

  /** The runs of the project, newest first. */
  async runs(): Promise<readonly Run[]> {
    const { runs } = await this.request<{ runs?: Run[] }>('runs', 'GET');
    if (!Array.isArray(runs)) {
      throw new Error('The server answered without a list of runs.');
    }
    return runs;
  }

  /** Start the deployments dashboard, or find it running, and tell its address. */
  async dashboard(): Promise<string> {
    const { url } = await this.request<{ url?: string }>('dashboard', 'POST');
    return webAddress(url);
  }

  /** The names of the deployments, each of which has a page of its own. */
  async deployments(): Promise<readonly string[]> {
    const { deployments } = await this.request<{ deployments?: string[] }>('dashboard', 'GET');
    if (!Array.isArray(deployments)) {
      throw new Error('The server answered without a list of deployments.');
    }
    return deployments;
  }

  /** The same for a frame of this page; `frame` is null where this page is not of the server's machine. */
  async framedDashboard(asked: Asked): Promise<{ url: string; frame: string | null }> {
    const query = new URLSearchParams({ frame: '1', ...asked });
    const { url, frame } = await this.request<{ url?: string; frame?: string }>(`dashboard?${query}`, 'POST');
    return { url: webAddress(url), frame: frame ? webAddress(frame) : null };
  }

  private async request<T>(route: string, method: 'GET' | 'POST'): Promise<T> {
    const url = URLExt.join(this.settings.baseUrl, 'lepton', 'api', route);
    const response = await ServerConnection.makeRequest(url, { method }, this.settings);
    if (response.ok) {
      return (await response.json()) as T;
    }
    const body = (await response.json().catch(() => null)) as { message?: string } | null;
    throw new Error(body?.message ?? fallback(response));
  }
}

/** An address from elsewhere must not become `javascript:` in a window that we open. */
function webAddress(url: string | undefined): string {
  if (!url || !/^https?:$/.test(new URL(url).protocol)) {
    throw new Error('The server answered without the address of a web page.');
  }
  return url;
}

/** What is said of an answer that is not one of ours. */
function fallback(response: Response): string {
  return response.status === 404
    ? 'The Jupyter server does not know Lepton; next: install lepton_nb where it runs, and restart it.'
    : `The server answered ${response.status} ${response.statusText}.`;
}
