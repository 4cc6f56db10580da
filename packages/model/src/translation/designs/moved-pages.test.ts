import { describe, expect, it } from 'vitest';
import { createAddressSpaces } from '../../machine/operating-system/index.ts';
import { createRandom } from '../../machine/random.ts';
import { dimensionsOf } from '../design.ts';
import { designs } from './index.ts';
import { testWalker } from './walks.case.ts';

const page = 0x7f123;
/** The default machine has no nested TLB. */
const machine = { nestedTlb: { entries: 64, ways: 4 } };
const cases = [...designs].flatMap((design) =>
  design.setups.flatMap((setup) =>
    Array.from({ length: dimensionsOf[setup] }, (_, dimension) => [design.name, setup, dimension] as const),
  ),
);

describe('a page that has just been walked for and moves', () => {
  const policies = ['4k', '2m', '2m over 4k'] as const;
  const sized = policies.flatMap((pages) => cases.map((one) => [pages, ...one] as const));
  it.each(sized)(
    'of %s is found at its new place by %s, %s, when dimension %i moves it',
    (pages, name, setup, dimension) => {
      const { spaces } = createAddressSpaces(
        Array.from({ length: dimensionsOf[setup] }, (_, at) => ({
          pages: pages === '2m over 4k' ? (at === 0 ? '2m' : '4k') : pages,
        })),
        createRandom(1),
      );
      const walker = testWalker({ design: designs.get(name), setup, spaces, machine });
      const through = (at: number, count: number) =>
        spaces.slice(0, count).reduce((vpn: number, one) => one.ensure(vpn), at);
      const walkRight = (vpn: number) => {
        const frame = through(vpn, spaces.length);
        expect(walker.walk(vpn)).toBe(frame);
      };
      // A neighbour as well: what holds translations of 4 KiB holds several of a huge page.
      const near = [page, page + 1];
      // Twice, so that whatever can hold the translation does.
      for (let walk = 0; walk < 2; walk++) for (const vpn of near) walkRight(vpn);
      expect(spaces[dimension]!.migrate(through(page, dimension))).toBeGreaterThan(0);
      for (const vpn of near) walkRight(vpn);
    },
  );

  const withGuest = cases.filter(([, setup, dimension]) => setup !== 'native' && dimension > 0);
  it.each(withGuest)('so does the table of the guest: %s, %s, dimension %i', (name, setup, dimension) => {
    const { spaces } = createAddressSpaces(
      Array.from({ length: dimensionsOf[setup] }, () => ({})),
      createRandom(1),
    );
    const expected = spaces.reduce((at: number, space) => space.ensure(at), page);
    const { table } = spaces[0]!;
    for (let level: number = table.levels; level >= 1; level--)
      spaces
        .slice(1)
        .reduce((at: number, space) => space.ensure(at), table.frameOf(table.nodeAt(page, level)) as number);
    const read = () => {
      const walker = testWalker({ design: designs.get(name), setup, spaces, machine });
      expect(walker.walk(page)).toBe(expected);
      return walker;
    };
    const walker = read();
    const last: number = table.frameOf(table.nodeAt(page, 1));
    const above = spaces.slice(1, dimension).reduce((at: number, space) => space.table.translate(at), last);
    expect(spaces[dimension]!.migrate(above)).toBeGreaterThan(0);
    expect(walker.walk(page)).toBe(expected);
    // What it reads now is what one reads who never knew the old place, as far as both read it.
    const frames = new Set(
      read()
        .answers()
        .map(({ label, frame }) => `${label} ${frame}`),
    );
    const known = new Set([...frames].map((entry) => entry.replace(/ \d+$/, '')));
    for (const { label, frame } of walker.answers())
      if (known.has(label) && /^(guest )?L\d/.test(label)) expect(frames).toContain(`${label} ${frame}`);
  });
});

describe('tables that have gone', () => {
  const once = cases.filter(([, , dimension]) => dimension === 0);
  it.each(once)('are not walked any more, whatever lies in their place: %s, %s', (name, setup) => {
    const { spaces } = createAddressSpaces(
      Array.from({ length: dimensionsOf[setup] }, () => ({})),
      createRandom(1),
    );
    const walker = testWalker({ design: designs.get(name), setup, spaces, machine });
    const walk = (vpn: number) => {
      const frame = spaces.reduce((at: number, space) => space.ensure(at), vpn);
      expect(walker.walk(vpn)).toBe(frame);
    };
    // Regions of 512 GiB apart, so that tables of three levels come and go, and one that stays.
    const [anchor, one, other] = [0, 2 ** 27, 2 ** 28];
    walk(anchor);
    for (let round = 0; round < 3; round++) {
      walk(one);
      spaces[0]!.munmap(one, one + 1);
      walk(anchor);
      // The table of one is taken for another one, without the entry that the walk caches knew.
      walk(other + 1);
      walk(one + 2);
      walk(one);
      spaces[0]!.munmap(one, one + 3);
      spaces[0]!.munmap(other, other + 2);
      walk(anchor);
    }
  });
});
