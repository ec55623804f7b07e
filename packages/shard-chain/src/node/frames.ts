/** Longest frame of a known node; a longer one ends the connection. */
export const FRAME_BYTES_MAX = 64 * 2 ** 20;

const LENGTH_BYTES = 4;

/** A message on a socket: which channel, and the bytes of its codec. */
export interface Frame {
  readonly channel: string;
  readonly body: Uint8Array;
}

/** Length (4 bytes), length of the channel's name (1 byte), name, body. */
export function encodeFrame(channel: string, body: Uint8Array): Uint8Array {
  const name = Buffer.from(channel);
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + 1 + name.length + body.length);
  frame.writeUInt32BE(1 + name.length + body.length);
  frame[LENGTH_BYTES] = name.length;
  frame.set(name, LENGTH_BYTES + 1);
  frame.set(body, LENGTH_BYTES + 1 + name.length);
  return frame;
}

/** Cuts a stream of bytes into frames. Holds no more than one unfinished frame. */
export class FrameReader {
  /** Longest frame that is taken; may be changed between frames. */
  bytesMax: number;
  #chunks: Uint8Array[] = [];
  #size = 0;

  constructor(bytesMax = FRAME_BYTES_MAX) {
    this.bytesMax = bytesMax;
  }

  /**
   * Takes bytes and hands over each frame that is complete, before it looks at the next.
   *
   * @param take false to stop for good
   * @returns false when it was stopped, or the bytes are no frames: end the connection
   */
  push(bytes: Uint8Array, take: (frame: Frame) => boolean): boolean {
    this.#chunks.push(bytes);
    this.#size += bytes.length;
    for (;;) {
      if (this.#size < LENGTH_BYTES) return true;
      const length = this.#joined(LENGTH_BYTES).readUInt32BE();
      if (length === 0 || length > this.bytesMax) return false;
      if (this.#size < LENGTH_BYTES + length) return true;
      const all = this.#joined(LENGTH_BYTES + length);
      const nameEnd = LENGTH_BYTES + 1 + (all[LENGTH_BYTES] ?? 0);
      if (nameEnd > LENGTH_BYTES + length) return false;
      const channel = all.toString("utf8", LENGTH_BYTES + 1, nameEnd);
      const body = Uint8Array.from(all.subarray(nameEnd, LENGTH_BYTES + length));
      this.#drop(all, LENGTH_BYTES + length);
      if (!take({ channel, body })) return false;
    }
  }

  /** What is held, in one piece if its first piece is shorter than `least`. */
  #joined(least: number): Buffer {
    const [first] = this.#chunks;
    if (first === undefined || first.length < least) this.#chunks = [Buffer.concat(this.#chunks)];
    const whole = this.#chunks[0] as Uint8Array;
    return Buffer.from(whole.buffer, whole.byteOffset, whole.length);
  }

  #drop(first: Buffer, count: number): void {
    const rest = first.subarray(count);
    this.#chunks = rest.length > 0 ? [rest, ...this.#chunks.slice(1)] : this.#chunks.slice(1);
    this.#size -= count;
  }
}
