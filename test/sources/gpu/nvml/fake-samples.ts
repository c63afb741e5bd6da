import type { DeviceSample, SampleQuestions, WorkSample } from '../../../../agent/sources/gpu/nvml/work.ts';

/** What each process did in one sample period, in percent of the device. */
export type Period = ReadonlyMap<number, number>;

export interface FakeSamplesOptions {
  readonly periodUs: number;
  /** By the driver's clock. */
  readonly startUs: number;
  /** How many samples the driver keeps. */
  readonly kept: number;
  /** Whether it takes samples of the device while nothing runs, as most drivers do; null: none of the device at all. */
  readonly samplesIdle: boolean | null;
  /** Whether it gives each sample of a process by itself instead of one mean. */
  readonly isDetailed: boolean;
}

/** A driver that samples who works, as NVIDIA's do: at a fixed beat, into a ring buffer, asked by time stamps. */
export interface FakeSamples {
  /** Lets one period pass. */
  pass(period: Period): void;
  readonly nowUs: number;
  readonly ask: SampleQuestions;
}

export function createFakeSamples(options: FakeSamplesOptions): FakeSamples {
  const { periodUs, startUs, kept, samplesIdle, isDetailed } = options;
  const periods: { readonly timeUs: number; readonly shares: Period }[] = [];
  const newerThan = (sinceUs: number) => periods.slice(-kept).filter(({ timeUs }) => timeUs > sinceUs);
  return {
    pass: (shares) => periods.push({ timeUs: startUs + (periods.length + 1) * periodUs, shares }),
    get nowUs() {
      return startUs + periods.length * periodUs;
    },
    ask: {
      processes(sinceUs) {
        const found = newerThan(sinceUs).filter(({ shares }) => samplesIdle !== false || shares.size > 0);
        const each = found.flatMap(({ timeUs, shares }) =>
          [...shares].map(([pid, percent]): WorkSample => ({ pid, percent, timeUs })),
        );
        return isDetailed ? each : meansOf(each, found.length);
      },
      device(sinceUs) {
        if (samplesIdle === null) return 'unsupported';
        return newerThan(sinceUs).flatMap(({ timeUs, shares }): readonly DeviceSample[] => {
          const percent = [...shares.values()].reduce((sum, share) => sum + share, 0);
          return samplesIdle || shares.size > 0 ? [{ timeUs, percent }] : [];
        });
      },
    },
  };
}

function meansOf(samples: readonly WorkSample[], count: number): readonly WorkSample[] {
  const pids = [...new Set(samples.map(({ pid }) => pid))];
  return pids.map((pid) => {
    const own = samples.filter((sample) => sample.pid === pid);
    const sum = own.reduce((total, { percent }) => total + percent, 0);
    return { pid, percent: sum / count, timeUs: Math.max(...own.map(({ timeUs }) => timeUs)) };
  });
}
