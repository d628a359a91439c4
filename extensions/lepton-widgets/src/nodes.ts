/** A node with a class, attributes and children; a string among them is text, whatever it holds. */
export function node<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  name: string,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (name !== '') {
    made.className = `lepton-${name}`;
  }
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** Set a text only where it changed, so that a selection in it and a screen reader are left alone. */
export function say(place: Node, text: string): void {
  if (place.textContent !== text) {
    place.textContent = text;
  }
}

/** Whether a node stands on dark ground, whoever painted it. */
export function onDark(place: Element): boolean {
  for (let at: Element | null = place; at !== null; at = at.parentElement) {
    const [red, green, blue, alpha] = (getComputedStyle(at).backgroundColor.match(/[\d.]+/g) ?? []).map(Number);
    if (red !== undefined && green !== undefined && blue !== undefined && (alpha ?? 1) > 0.5) {
      return 0.3 * red + 0.59 * green + 0.11 * blue < 128;
    }
  }
  return matchMedia('(prefers-color-scheme: dark)').matches;
}
