import type { Cost } from './cost.ts';

/** One node of an explain tree. Figures are totals within the whole: the leaves' `cycles` add up to the root's. */
export interface ExplainNode {
  readonly label: string;
  /** How often it happens within its parent. */
  readonly count: number;
  readonly cycles: number;
  readonly hardwareExits: number;
  /** Absent at a leaf. */
  readonly children?: readonly ExplainNode[];
  /** Set at a leaf that was taken apart elsewhere in the tree, or lies below the depth asked for. */
  readonly folded?: true;
}

/**
 * The graph of a cost as a tree. What occurs several times is taken apart where it first occurs and folded elsewhere, so that the tree
 * grows with the depth and not with the number of exits.
 * @param depth levels of the tree to unfold; all when absent
 */
export function explain(cost: Cost, depth = Infinity): ExplainNode {
  const seen = new Set<Cost>();
  function node(of: Cost, count: number, times: number, left: number): ExplainNode {
    const own = { label: of.label, count, cycles: times * of.cycles, hardwareExits: times * of.hardwareExits };
    if (of.parts.length === 0) return own;
    if (left <= 0 || seen.has(of)) return { ...own, folded: true };
    seen.add(of);
    return { ...own, children: of.parts.map((part) => node(part.cost, part.count, times * part.count, left - 1)) };
  }
  return node(cost, 1, 1, depth);
}

export function leavesOf(node: ExplainNode): ExplainNode[] {
  return node.children === undefined ? [node] : node.children.flatMap(leavesOf);
}
