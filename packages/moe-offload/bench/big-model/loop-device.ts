import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";

/**
 * A file shown as a read-only block device with a read-ahead of its own: how a page fault reads
 * around itself is a setting of the device, and this one may be changed without touching the disk
 * that everybody uses. The device reads the file past the page cache.
 */
export class LoopDevice {
  readonly path: string;

  /** @returns a reason in words when there is no such device here */
  static open(file: string, readAheadKib: number): LoopDevice | string {
    const args = ["--find", "--show", "--read-only", "--direct-io=on", file];
    const { error, status, stderr, stdout } = spawnSync("losetup", args, { encoding: "utf8" });
    if (error || status !== 0) return `losetup: ${error?.message ?? stderr.trim()}`;
    const device = new LoopDevice(stdout.trim());
    try {
      const queue = path.join("/sys/block", path.basename(device.path), "queue");
      writeFileSync(path.join(queue, "read_ahead_kb"), String(readAheadKib));
      return device;
    } catch (error) {
      device.close();
      return (error as Error).message;
    }
  }

  private constructor(device: string) {
    this.path = device;
  }

  /** Takes the device away; the file stays. */
  close(): void {
    spawnSync("losetup", ["--detach", this.path]);
  }
}
