/** Params as a tree: `data.folds` and `data/folds` are leaves below `data`. */
export interface Branch {
  name: string;
  value: string;
  children: Branch[];
}

/** The params with a text in their name or value. */
export function withNames(params: Readonly<Record<string, string>>, text: string): Record<string, string> {
  const wanted = text.toLowerCase();
  return Object.fromEntries(Object.entries(params).filter(([key, value]) => key.toLowerCase().includes(wanted) || value.toLowerCase().includes(wanted)));
}

export function treeOf(params: Readonly<Record<string, string>>): Branch[] {
  const top: Branch = { name: '', value: '', children: [] };
  for (const [key, value] of Object.entries(params).sort(([a], [b]) => a.localeCompare(b))) {
    let at = top;
    const parts = key.split(/[./]/).every((part) => part !== '') ? key.split(/[./]/) : [key];
    parts.forEach((part, index) => {
      const last = index === parts.length - 1;
      let next = at.children.find((child) => child.name === part && (last ? child.children.length === 0 : child.value === ''));
      if (next === undefined) {
        next = { name: part, value: last ? value : '', children: [] };
        at.children.push(next);
      }
      at = next;
    });
  }
  return top.children.map(joined);
}

/** A branch that leads to one leaf alone is written on one line. */
function joined(branch: Branch): Branch {
  const [only, ...others] = branch.children;
  if (only !== undefined && others.length === 0) {
    const below = joined(only);
    return { ...below, name: `${branch.name}.${below.name}` };
  }
  return { ...branch, children: branch.children.map(joined) };
}
