// A layered drawing of a graph, left to right: where each node stands. Knows nothing of what the nodes are.

const GAP_ACROSS = 90;
const GAP_DOWN = 26;
const SWEEPS = 8;

/**
 * @param nodes {id, width, height}, in an order that is kept where nothing speaks against it
 * @param edges {from, to}
 * @returns {width, height, at: Map id → {x, y, width, height}, ways: Map "from to" → ids of the points that the edge goes through}
 */
export function layered(given, edges) {
  const ids = new Set(given.map((it) => it.id));
  const straight = withoutCycles(given, edges.filter((it) => ids.has(it.from) && ids.has(it.to)));
  const rank = ranks(given, straight);
  const { nodes, forward, ways } = withPoints(given, straight, rank);
  const known = new Map(nodes.map((it) => [it.id, it]));
  const layers = [];
  for (const node of nodes) (layers[rank.get(node.id)] ??= []).push(node);
  const before = neighbours(forward, "to", "from");
  const after = neighbours(forward, "from", "to");
  const y = new Map();
  for (const layer of layers) stack(layer, y, () => undefined);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const [order, wanted] = sweep % 2 ? [[...layers].reverse(), after] : [layers, before];
    const middle = (id) => y.get(id) + known.get(id).height / 2;
    for (const layer of order) {
      const pull = (node) => {
        const near = (wanted.get(node.id) ?? []).map(middle);
        return near.length ? near.reduce((sum, it) => sum + it, 0) / near.length : middle(node.id);
      };
      const pulls = new Map(layer.map((node) => [node.id, pull(node)]));
      layer.sort((a, b) => pulls.get(a.id) - pulls.get(b.id));
      stack(layer, y, (node) => pulls.get(node.id) - node.height / 2);
    }
  }
  const top = Math.min(...y.values());
  const at = new Map();
  let x = 0;
  for (const layer of layers) {
    const width = Math.max(...layer.map((it) => it.width));
    for (const node of layer) {
      at.set(node.id, { x: x + (width - node.width) / 2, y: y.get(node.id) - top, width: node.width, height: node.height });
    }
    x += width + GAP_ACROSS;
  }
  const height = Math.max(...[...at.values()].map((it) => it.y + it.height));
  return { width: x - GAP_ACROSS, height, at, ways };
}

/** Where an edge passes layers, a point in each, so that it goes around what stands there. */
function withPoints(given, edges, rank) {
  const [nodes, forward, ways] = [[...given], [], new Map()];
  for (const { from, to } of edges) {
    const way = [];
    for (let at = rank.get(from) + 1; at < rank.get(to); at += 1) {
      const id = `${from} ${to} ${at}`;
      nodes.push({ id, width: 0, height: 4 });
      rank.set(id, at);
      way.push(id);
    }
    const all = [from, ...way, to];
    all.slice(1).forEach((id, index) => forward.push({ from: all[index], to: id }));
    ways.set(`${from} ${to}`, way);
  }
  return { nodes, forward, ways };
}

/** Puts a layer's nodes one below the other, each as near to where it wants to be as those around it allow. */
function stack(layer, y, wanted) {
  const groups = [];
  for (const node of layer) {
    groups.push({ nodes: [node], want: wanted(node) ?? 0, height: node.height });
    // Where two would overlap they become one group, which stands where its parts want to be on average.
    while (1 < groups.length) {
      const [above, below] = groups.slice(-2);
      if (above.want + above.height + GAP_DOWN <= below.want) break;
      const shifted = below.want - above.height - GAP_DOWN;
      const want = (above.want * above.nodes.length + shifted * below.nodes.length) / (above.nodes.length + below.nodes.length);
      groups.splice(-2, 2, { nodes: [...above.nodes, ...below.nodes], want, height: above.height + GAP_DOWN + below.height });
    }
  }
  for (const group of groups) {
    let at = group.want;
    for (const node of group.nodes) {
      y.set(node.id, at);
      at += node.height + GAP_DOWN;
    }
  }
}

/** The edges without those that lead back. */
function withoutCycles(nodes, edges) {
  const out = neighbours(edges, "from", "to");
  const state = new Map();
  const back = new Set();
  const visit = (id) => {
    state.set(id, "open");
    for (const next of out.get(id) ?? []) {
      if (state.get(next) === "open") back.add(`${id} ${next}`);
      else if (!state.has(next)) visit(next);
    }
    state.set(id, "done");
  };
  for (const node of nodes) if (!state.has(node.id)) visit(node.id);
  return edges.filter((it) => !back.has(`${it.from} ${it.to}`));
}

/** The length of the longest way to each node; a node without a way to it stands right before what follows it. */
function ranks(nodes, edges) {
  const before = neighbours(edges, "to", "from");
  const after = neighbours(edges, "from", "to");
  const rank = new Map();
  const longest = (id) => {
    if (!rank.has(id)) rank.set(id, Math.max(-1, ...(before.get(id) ?? []).map(longest)) + 1);
    return rank.get(id);
  };
  for (const node of nodes) longest(node.id);
  for (const node of nodes) {
    const following = after.get(node.id) ?? [];
    if (!before.has(node.id) && following.length) rank.set(node.id, Math.min(...following.map((it) => rank.get(it))) - 1);
  }
  return rank;
}

function neighbours(edges, of, other) {
  const found = new Map();
  for (const edge of edges) found.set(edge[of], [...(found.get(edge[of]) ?? []), edge[other]]);
  return found;
}
