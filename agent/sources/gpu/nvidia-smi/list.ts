import { type DeviceUuid, parseDeviceUuid } from '../reading.ts';

/** A MIG instance as `nvidia-smi -L` names it. */
export interface ListedInstance {
  /** Its number on its card, by which `-q` knows it. */
  readonly device: number;
  readonly uuid: DeviceUuid;
  /** Such as `3g.40gb`. */
  readonly profile: string;
}

/**
 * The MIG instances of each GPU in what `nvidia-smi -L` prints, in the driver's order. A line that is neither a GPU
 * nor an instance (an error about one of them) ends the GPU that it stands under, so that nothing below is taken for
 * its instance.
 */
export function parseList(text: string): ReadonlyMap<DeviceUuid, readonly ListedInstance[]> {
  const cards = new Map<DeviceUuid, ListedInstance[]>();
  let current: ListedInstance[] | null = null;
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const card = parseDeviceUuid(/^GPU \d+: .*\(UUID: (\S+)\)\s*$/.exec(line)?.[1] ?? '');
    if (card !== null) {
      current = [];
      cards.set(card, current);
      continue;
    }
    const [, profile, device, uuidText = ''] =
      /^\s+MIG (\S+)\s+Device\s+(\d{1,3}): \(UUID: (\S+)\)\s*$/.exec(line) ?? [];
    const uuid = parseDeviceUuid(uuidText);
    if (profile === undefined || device === undefined || uuid === null) current = null;
    else current?.push({ device: Number(device), uuid, profile });
  }
  return cards;
}

/**
 * How many slices cards are divided into, as NVIDIA's MIG User Guide has it ("Supported MIG Profiles"). Only cards
 * of which that is certain.
 */
const slicesOfCards: readonly { readonly card: RegExp; readonly slices: number }[] = [
  { card: /\b(?:A100|A800|H100|H800|H200|GH200|B200|GB200)\b/, slices: 7 },
  { card: /\b(?:A30|RTX PRO 6000 Blackwell)\b/, slices: 4 },
];

/**
 * What an instance counts in quotas: its slices divided by the card's. `1c.3g.40gb` is one of the three slices of its
 * GPU instance.
 *
 * @returns null where the card is not known, or the profile cannot be of such a card
 */
export function weightOf(cardName: string, profile: string): number | null {
  const slices = slicesOfCards.find(({ card }) => card.test(cardName))?.slices;
  const [, computeSlices, gpuSlices] = /^(?:(\d)c\.)?(\d)g\.\d{1,3}gb(?:[+-]\S+)?$/.exec(profile) ?? [];
  if (slices === undefined || gpuSlices === undefined) return null;
  const own = Number(computeSlices ?? gpuSlices);
  return own >= 1 && own <= Number(gpuSlices) && Number(gpuSlices) <= slices ? own / slices : null;
}
