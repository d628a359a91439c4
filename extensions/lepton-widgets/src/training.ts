import type { RenderProps } from '@anywidget/types';
import type { State } from './model';
import { View } from './view';

/** What anywidget calls for each place that shows the view; what it returns takes it away. */
function render({ model, el }: RenderProps<State>): () => void {
  const view = new View(model);
  el.append(view.element);
  const soon = (): void => { view.soon(); };
  const paint = (): void => { view.paint(); };
  // Every update has facts in it, and comes in one message with the curves that changed.
  model.on('change', soon);
  const sized = new ResizeObserver(soon);
  sized.observe(view.element);
  // JupyterLab says its theme on the page's body, other places on its root.
  const themed = new MutationObserver(() => requestAnimationFrame(paint));
  for (const place of [document.body, document.documentElement]) {
    themed.observe(place, { attributes: true, attributeFilter: ['class', 'style', 'data-jp-theme-light', 'data-theme'] });
  }
  const scheme = matchMedia('(prefers-color-scheme: dark)');
  scheme.addEventListener('change', paint);
  requestAnimationFrame(() => {
    view.paint();
    view.draw();
  });
  return () => {
    model.off('change', soon);
    sized.disconnect();
    themed.disconnect();
    scheme.removeEventListener('change', paint);
    view.destroy();
  };
}

export default { render };
