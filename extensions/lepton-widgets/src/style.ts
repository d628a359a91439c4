/** Lines differ in dashes first and in colour too: dashes and names alone tell them apart. */
export const DASHES: readonly (readonly number[])[] = [
  [],
  [7, 3],
  [2, 3],
  [8, 3, 2, 3],
  [14, 4],
  [4, 4],
  [10, 3, 2, 3, 2, 3]
];
const COLOURS = 6;

export interface Look {
  dash: readonly number[];
  /** Name of the CSS variable that holds the colour. */
  colour: string;
}

/** The look of the line at a place of its panel. */
export function look(place: number): Look {
  return { dash: DASHES[place % DASHES.length] ?? [], colour: `--lepton-series-${place % COLOURS}` };
}

/** A short piece of the line, for its name in the list. */
export function swatch({ dash, colour }: Look): SVGSVGElement {
  const space = 'http://www.w3.org/2000/svg';
  const drawn = document.createElementNS(space, 'svg');
  drawn.setAttribute('viewBox', '0 0 34 8');
  drawn.setAttribute('aria-hidden', 'true');
  const line = document.createElementNS(space, 'line');
  for (const [key, value] of Object.entries({ x1: 1, x2: 33, y1: 4, y2: 4, 'stroke-width': 2 })) {
    line.setAttribute(key, String(value));
  }
  line.setAttribute('stroke-dasharray', dash.join(' '));
  line.style.stroke = `var(${colour})`;
  drawn.append(line);
  return drawn;
}
