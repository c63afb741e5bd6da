import type { UserName } from '../config/ids.ts';
import type { Thresholds } from '../config/resource-limits.ts';
import type { BareMetalUse, ContainerGpus, LabDevice } from '../lab/gpu/lab-gpus.ts';
import type { LabContainer, LabUser } from '../lab/snapshot.ts';
import type { DeviceUuid } from '../sources/gpu/reading.ts';
import type { PolicyName, Verdict } from './verdict.ts';

/** Everything that a policy may judge a container by. Its limits are those of its identity. */
export interface ContainerCase {
  readonly container: LabContainer;
  /** null: it was given none and uses none. */
  readonly gpus: ContainerGpus | null;
  readonly devices: readonly LabDevice[];
  readonly thresholds: Thresholds;
  /** Which share of the lab's GPU-equivalents is held, 0 to 1; null: unknown, or there are none. */
  readonly gpuDemand: number | null;
  /** Unix milliseconds. */
  readonly nowMs: number;
}

/** One rule about containers: a file of its own and one line in `index.ts`. Pure, so that every reader gets the same. */
export interface ContainerPolicy {
  readonly name: PolicyName;
  /** What it is about, in one sentence, for people. */
  readonly summary: string;
  /** It tells its owner of something that is broken, which they want to know however protected the container is. */
  readonly isHelp?: true;
  readonly judge: (subject: ContainerCase) => Verdict;
}

/** Everything that a policy may judge a user by. */
export interface UserCase {
  readonly user: UserName;
  /** What their containers hold together; null: they have none, and the configuration does not name them. */
  readonly account: LabUser | null;
  /** Their containers, whatever state these are in. */
  readonly containers: readonly LabContainer[];
  /** Their use of devices outside containers. */
  readonly bareMetal: readonly BareMetalUse[];
  /** The processes behind that use; null: nobody has looked. */
  readonly processes: readonly BareMetalProcess[] | null;
  readonly thresholds: Thresholds;
  /** Unix milliseconds. */
  readonly nowMs: number;
}

/** A process of a user on a device, in no container of Docker's and in no job of Slurm's. */
export interface BareMetalProcess {
  readonly uuid: DeviceUuid;
  /**
   * The file that it runs, as `/proc/PID/exe` shows it; null where that cannot be read, or where the process sees
   * other files than the machine (a mount namespace of its own, proc(5)), because there anything can be called
   * `/usr/bin/Xorg`.
   */
  readonly command: string | null;
  /**
   * Since when its user has had processes on the device without a pause to speak of, so that many short ones count as
   * one long; null: unknown. Unix milliseconds.
   */
  readonly sinceMs: number | null;
}

/** One rule about users, beside their containers one by one. Pure, like those about containers. */
export interface UserPolicy {
  readonly name: PolicyName;
  /** What it is about, in one sentence, for people. */
  readonly summary: string;
  readonly judge: (subject: UserCase) => Verdict;
}
