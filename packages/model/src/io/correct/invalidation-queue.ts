import type { IoMachine } from './config.ts';
import type { EventQueue } from './event-queue.ts';
import { EventKind } from './events.ts';
import { Fifo } from './fifo.ts';
import type { Iommu } from './iommu.ts';

/** `pages` of a command for all that a domain has. */
export const wholeDomain = Number.POSITIVE_INFINITY;

/** `pages` of a command for context entries: its `vpn` is the requester, -1 = all. */
export const contextEntry = 0;

/** The core that is none of the tenants': the hypervisor's, which takes memory from VMs. */
export const hypervisor = -1;

export interface InvalidationCounts {
  readonly commands: number;
  /** From wanting the lock of the queue to the end of the command, over all commands. */
  readonly meanNs: number;
  readonly maxNs: number;
  /** Of that, waiting for the lock. */
  readonly meanLockWaitNs: number;
  /** Hand-overs to a halted virtual processor. */
  readonly wakeUps: number;
  /** Share of the time that the lock was held; commands go on after the last DMA, and so does this time. */
  readonly lockHeldShare: number;
}

interface Resources {
  readonly machine: IoMachine;
  readonly events: EventQueue;
  readonly iommu: Iommu;
  /** Drops what the IOMMU has cached. */
  invalidate(domain: number, vpn: number, pages: number, leavesOnly: boolean): void;
  /** Sends the device's part of a command down; undefined without a device TLB. */
  readonly toDevice: ((command: number) => void) | undefined;
  /** The command has been carried out everywhere: the core goes on. */
  onCompleted(core: number, domain: number, vpn: number, pages: number): void;
  /** The core has written its command. */
  resume(core: number, time: number): void;
}

/**
 * The one invalidation queue of the IOMMU. A core takes its lock, writes commands and the tail register, and waits until they have been
 * carried out: one at a time, walks that have read what is invalidated drained, the device's acknowledgement awaited.
 */
export class InvalidationQueue {
  readonly #resources: Resources;
  /** Commands submitted and not completed: numbers are used again. */
  readonly domain: number[] = [];
  readonly vpn: number[] = [];
  readonly pages: number[] = [];
  readonly #leavesOnly: boolean[] = [];
  readonly #core: number[] = [];
  readonly #free: number[] = [];
  readonly #queue = new Fifo();
  /** The command being carried out, -1 = none; whether it waits for walks. */
  #current = -1;
  #isDraining = false;
  #isLocked = false;
  #lockedSince = 0;
  #heldNs = 0;
  #unlockedAt = 0;
  /** Cores that want the lock, and since when. */
  readonly #waiting = new Fifo(2);
  /** By core, from the hypervisor's on. */
  readonly #wantedAt: number[] = [];
  readonly #submits: boolean[] = [];
  #commands = 0;
  #sum = 0;
  #max = 0;
  #lockWait = 0;
  #wakeUps = 0;

  constructor(resources: Resources) {
    this.#resources = resources;
    resources.iommu.onWalkEnd = () => this.#drained();
  }

  /** @param submits the core is resumed when it has written its command; else when it has done what mapping needs the lock for */
  lock(core: number, submits: boolean): void {
    const { now } = this.#resources.events;
    this.#wantedAt[core - hypervisor] = now;
    this.#submits[core - hypervisor] = submits;
    if (this.#isLocked) this.#waiting.push(core, now);
    else this.#grant(core, now);
  }

  #grant(core: number, time: number): void {
    const { submitNs, trapNs, mapLockNs } = this.#resources.machine;
    this.#isLocked = true;
    this.#lockedSince = time;
    const submits = this.#submits[core - hypervisor]!;
    if (submits) this.#lockWait += time - this.#wantedAt[core - hypervisor]!;
    this.#resources.resume(core, time + (submits ? submitNs + trapNs : mapLockNs));
  }

  unlock(): void {
    const { events, machine } = this.#resources;
    this.#isLocked = false;
    this.#unlockedAt = events.now;
    this.#heldNs += events.now - this.#lockedSince;
    if (this.#waiting.length === 0) return;
    const since = this.#waiting.at(0, 1);
    const core = this.#waiting.shift();
    const isHalted = events.now - since > machine.spinNs;
    if (isHalted) this.#wakeUps++;
    // Nobody else gets in between: the lock is handed over.
    this.#grant(core, events.now + (isHalted ? machine.wakeNs : 0));
  }

  /** The core has written a command. */
  submit(core: number, domain: number, vpn: number, pages: number, leavesOnly: boolean): void {
    const command = this.#free.pop() ?? this.domain.length;
    this.domain[command] = domain;
    this.vpn[command] = vpn;
    this.pages[command] = pages;
    this.#leavesOnly[command] = leavesOnly;
    this.#core[command] = core;
    this.#commands++;
    this.#queue.push(command);
    if (this.#current === -1) this.#startNext();
    if (!this.#resources.machine.lockThroughCompletion) this.unlock();
  }

  #startNext(): void {
    if (this.#queue.length === 0) return;
    this.#current = this.#queue.shift();
    const { events, machine } = this.#resources;
    events.push(events.now + machine.invalidationNs, EventKind.invalidation, this.#current);
  }

  /** The time of the current command is over. */
  carryOut(): void {
    const command = this.#current;
    this.#resources.invalidate(
      this.domain[command]!,
      this.vpn[command]!,
      this.pages[command]!,
      this.#leavesOnly[command]!,
    );
    this.#isDraining = true;
    this.#drained();
  }

  #drained(): void {
    if (!this.#isDraining) return;
    const command = this.#current;
    const { iommu, toDevice } = this.#resources;
    if (iommu.isWalking(this.domain[command]!, this.vpn[command]!, this.pages[command]!)) return;
    this.#isDraining = false;
    this.#current = -1;
    if (toDevice !== undefined && this.pages[command] !== contextEntry) toDevice(command);
    else this.complete(command);
    this.#startNext();
  }

  complete(command: number): void {
    const { events, machine, onCompleted } = this.#resources;
    const core = this.#core[command]!;
    const spent = events.now - this.#wantedAt[core - hypervisor]!;
    this.#sum += spent;
    this.#max = Math.max(this.#max, spent);
    this.#free.push(command);
    onCompleted(core, this.domain[command]!, this.vpn[command]!, this.pages[command]!);
    if (machine.lockThroughCompletion) this.unlock();
  }

  counts(endNs: number): InvalidationCounts {
    const commands = this.#commands;
    return {
      commands,
      meanNs: commands === 0 ? 0 : this.#sum / commands,
      maxNs: this.#max,
      meanLockWaitNs: commands === 0 ? 0 : this.#lockWait / commands,
      wakeUps: this.#wakeUps,
      lockHeldShare: this.#heldNs === 0 ? 0 : this.#heldNs / Math.max(endNs, this.#unlockedAt),
    };
  }
}
