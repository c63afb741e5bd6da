import type { ChildOutcome } from '../../child.ts';

/** Why GPUs could not be read, in words for an admin. `absent`: there is no such program. */
export interface SmiFailure {
  readonly kind: 'absent' | 'down';
  readonly reason: string;
  readonly advice: string;
}

/** What nvidia-smi says when it cannot do its work, to either stream and with exit codes that differ by driver. */
const knownFailures: readonly {
  readonly says: RegExp;
  readonly reason: string;
  readonly advice: string;
}[] = [
  {
    says: /No devices were found/i,
    reason: 'the NVIDIA driver is loaded but finds no GPU',
    advice:
      'see whether the card is there (lspci -d 10de:) and why the driver left it out (dmesg | grep -i nvrm); a card that fell off its bus comes back by a reboot',
  },
  {
    says: /couldn't communicate with the NVIDIA driver/i,
    reason: 'nvidia-smi cannot reach the NVIDIA driver',
    advice:
      'load its kernel module (modprobe nvidia); after a new kernel it may have to be built again (dkms status), with Secure Boot it must be signed',
  },
  {
    says: /Driver\/library version mismatch/i,
    reason: 'the NVIDIA driver was updated, and the kernel still runs the old module',
    advice: 'reboot, or stop everything that uses a GPU and reload the module (rmmod nvidia_uvm nvidia)',
  },
  {
    says: /couldn't find libnvidia-ml/i,
    reason: 'nvidia-smi is there, but the library of its driver is not',
    advice: 'install the NVIDIA driver of the same version again',
  },
  {
    says: /Unable to determine the device handle|GPU is lost|has fallen off the bus/i,
    reason: 'a GPU does not answer the driver any more',
    advice: 'see dmesg for its Xid error; it comes back by a reboot, if at all',
  },
  {
    says: /Insufficient Permissions|No permission/i,
    reason: 'nvidia-smi may not ask the driver',
    advice: 'run the agent as root, or with access to /dev/nvidiactl and /dev/nvidia*',
  },
  {
    says: /Failed to initialize NVML: Unknown Error/i,
    reason: 'nvidia-smi may not open the devices of the driver',
    advice:
      'in a container: GPUs are lost to it after systemctl daemon-reload, start it again, or run the agent on the host',
  },
  {
    says: /is not a valid field to query/i,
    reason: 'the driver was changed: nvidia-smi does not know a field any more that it listed',
    advice: 'none needed: its fields are read again at the next attempt',
  },
];

const generalAdvice = 'run nvidia-smi by hand as the user of the agent; the agent keeps trying';

/** What to tell about a run that gave no usable answer. */
export function explainFailure(program: string, outcome: ChildOutcome): SmiFailure {
  switch (outcome.kind) {
    case 'timed-out':
      return {
        kind: 'down',
        reason: outcome.reason,
        advice:
          'without persistence mode every program initialises all GPUs anew: nvidia-smi -pm 1; if it hangs for ever, see dmesg for Xid errors and hung tasks',
      };
    case 'failed':
      if (/\bENOENT$/.test(outcome.reason))
        return {
          kind: 'absent',
          reason: `there is no program ${program}`,
          advice: 'install the NVIDIA driver, or set nvidia_smi in agent.yaml (or GPUWARDEN_NVIDIA_SMI)',
        };
      return {
        kind: 'down',
        reason: outcome.reason,
        advice: /\bEACCES$/.test(outcome.reason)
          ? `make ${program} executable for the user of the agent`
          : generalAdvice,
      };
    case 'exited': {
      const said = `${outcome.stdout.slice(0, 10_000)}\n${outcome.stderr.slice(0, 10_000)}`;
      const known = knownFailures.find(({ says }) => says.test(said));
      if (known !== undefined) return { kind: 'down', reason: known.reason, advice: known.advice };
      return { kind: 'down', reason: unknownReason(outcome.code, said), advice: generalAdvice };
    }
  }
}

/** Its last words, which is where a program says what went wrong. */
function unknownReason(code: number, said: string): string {
  const words = said.trim().split('\n').at(-1)?.trim().slice(0, 200) ?? '';
  const ending =
    code === 0 ? 'nvidia-smi gave no answer that can be read' : `nvidia-smi ended with code ${code}`;
  return words === '' ? ending : `${ending}: ${words}`;
}
