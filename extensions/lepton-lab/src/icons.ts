import {
  checkIcon,
  circleEmptyIcon,
  errorIcon,
  LabIcon,
  refreshIcon,
  stopIcon
} from '@jupyterlab/ui-components';

import leptonSvg from '../style/lepton.svg';

/** The mark of the suite, in the side bar and beside its commands. */
export const leptonIcon = new LabIcon({ name: 'lepton-lab:lepton', svgstr: leptonSvg });

const STATUS_ICONS: Readonly<Partial<Record<string, LabIcon>>> = {
  running: refreshIcon,
  finished: checkIcon,
  failed: errorIcon,
  stopped: stopIcon
};

/** The shape that stands beside a status, so that it is told by more than its colour. */
export function statusIcon(status: string): LabIcon {
  return STATUS_ICONS[status] ?? circleEmptyIcon;
}
