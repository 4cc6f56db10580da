import type { ElasticityConfig } from '../config.ts';
import type { Guest } from '../guest.ts';
import type { HostMap } from '../host-map.ts';

/** What a protocol works on: the guest's allocator on one side, the host's maps on the other. */
export interface ProtocolParts {
  readonly guest: Guest;
  readonly host: HostMap;
  readonly vfio: boolean;
  readonly config: ElasticityConfig;
  /** Told of each message that crosses between guest and host, for explaining; absent where nobody listens. */
  readonly tell?: (message: ProtocolMessage) => void;
}

/** One message or action of a protocol. */
export interface ProtocolMessage {
  readonly from: 'guest' | 'host';
  readonly text: string;
  /** The guest's 4 KiB frames that it is about: the first, and how many. */
  readonly frame: number;
  readonly pages: number;
}

/** A technique at work on one VM, page by page. */
export interface Protocol {
  /** Takes up to so many pages of 4 KiB out of the guest; how many it got, less where the guest cannot free more. */
  shrink(pages: number): number;
  /** Gives pages back that `shrink` took; how many. */
  grow(pages: number): number;
  /** Does what the technique does by itself until that second. */
  advance(seconds: number): void;
  /** Before the guest uses frames that its allocator has just handed out. */
  beforeUse(frame: number, pages: number): void;
}

/** For techniques without one of the actions. */
export const noProtocol: Protocol = {
  shrink: () => 0,
  grow: () => 0,
  advance: () => undefined,
  beforeUse: () => undefined,
};
