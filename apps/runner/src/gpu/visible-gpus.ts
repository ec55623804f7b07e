/**
 * Which of a machine's GPUs this process may use, by `CUDA_VISIBLE_DEVICES`: indices in the order
 * of the list, which ends at its first invalid entry, as in CUDA. All without the variable, and
 * where it names slices of a card (MIG), which the driver does not list.
 *
 * CUDA numbers cards by speed unless `CUDA_DEVICE_ORDER=PCI_BUS_ID`, the driver by bus: on a
 * machine of unlike cards numbers mean the same card only with that setting; UUIDs always do.
 */
export function visibleGpus(uuids: readonly string[], list: string | undefined): number[] {
  const all = uuids.map((_, index) => index);
  if (list === undefined || list.includes("MIG-")) return all;
  const visible: number[] = [];
  for (const entry of list.split(",").map((part) => part.trim())) {
    const index = /^\d+$/.test(entry)
      ? Number(entry)
      : uuids.findIndex((uuid) => entry !== "" && uuid.startsWith(entry));
    if (index < 0 || index >= uuids.length || visible.includes(index)) break;
    visible.push(index);
  }
  return visible;
}
