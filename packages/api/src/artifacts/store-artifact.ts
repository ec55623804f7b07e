import { createHash, randomUUID } from "node:crypto";
import type { Db } from "@fmlab/db";
import { LIMITS } from "@fmlab/experiment";
import { ApiError } from "../errors.ts";
import { assertLimit } from "../reports/store-report.ts";

/** Bytes of one stored piece; the memory an upload or download takes. */
export const PIECE_BYTES = 1024 * 1024;

/** A file as it is announced. */
export interface ArtifactUpload {
  runId: string;
  attemptId: string;
  name: string;
  contentType: string;
  /** Lower-case hex. */
  sha256: string;
}

/** A file that is stored. */
export interface StoredArtifact {
  id: string;
  sizeBytes: number;
  /** False: the same file was there already. */
  created: boolean;
}

/**
 * Stores a file piece by piece as it arrives. Nobody sees it before its hash was found right; what
 * is left of a failed upload is deleted. The same file again changes nothing.
 *
 * @throws ApiError `ARTIFACT_HASH_MISMATCH` | `ARTIFACT_TOO_LARGE` | `ARTIFACT_EXISTS` |
 *   `LIMIT_EXCEEDED`
 */
export async function storeArtifact(
  db: Db,
  upload: ArtifactUpload,
  body: AsyncIterable<Uint8Array>,
  maxBytes: number = LIMITS.artifactBytes,
): Promise<StoredArtifact> {
  const known = await findSame(db, upload);
  if (known) return known;
  const count = await db.artifact.count({ where: { runId: upload.runId, complete: true } });
  assertLimit("artifacts in a run", LIMITS.artifactsPerRun, count + 1);
  const { id } = await db.artifact.create({
    data: { ...upload, sizeBytes: 0, complete: false, uploadId: randomUUID() },
    select: { id: true },
  });
  try {
    const sizeBytes = await receive(
      db,
      { artifactId: id, expected: upload.sha256, maxBytes },
      body,
    );
    return await publish(db, id, sizeBytes, upload);
  } catch (error) {
    await db.artifact.deleteMany({ where: { id, complete: false } });
    throw error;
  }
}

async function receive(
  db: Db,
  { artifactId, expected, maxBytes }: { artifactId: string; expected: string; maxBytes: number },
  body: AsyncIterable<Uint8Array>,
): Promise<number> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  let no = 0;
  for await (const bytes of inPieces(body)) {
    sizeBytes += bytes.length;
    assertSize(sizeBytes, maxBytes);
    hash.update(bytes);
    await db.artifactChunk.create({ data: { artifactId, no: no++, bytes }, select: { no: true } });
  }
  const got = hash.digest("hex");
  if (got === expected) return sizeBytes;
  throw new ApiError(
    `the file has the hash ${got}, ${expected} was announced: it changed or was damaged on the way; ` +
      "send it again",
    { code: "ARTIFACT_HASH_MISMATCH", expected, got },
  );
}

/** @throws ApiError `ARTIFACT_TOO_LARGE` */
export function assertSize(sizeBytes: number, maxBytes: number = LIMITS.artifactBytes): void {
  if (sizeBytes <= maxBytes) return;
  throw new ApiError(
    `the file is larger than ${maxBytes / 2 ** 20} MiB: keep it elsewhere, or split it`,
    { code: "ARTIFACT_TOO_LARGE", allowed: maxBytes },
  );
}

/**
 * Regroups a stream to pieces of PIECE_BYTES (the last may be shorter), in one buffer: use it up
 * before the next.
 */
async function* inPieces(body: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer<ArrayBuffer>> {
  const piece = Buffer.alloc(PIECE_BYTES);
  let filled = 0;
  for await (const bytes of body) {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + PIECE_BYTES - filled);
      piece.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < PIECE_BYTES) continue;
      yield piece;
      filled = 0;
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
}

/** Makes the upload visible, unless another upload of the same name was faster. */
async function publish(
  db: Db,
  id: string,
  sizeBytes: number,
  upload: ArtifactUpload,
): Promise<StoredArtifact> {
  return db.$transaction(async (tx) => {
    const lockName = `artifact ${upload.attemptId} ${upload.name}`;
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${lockName}, 0))`;
    const known = await findSame(tx, upload);
    if (known) {
      await tx.artifact.delete({ where: { id } });
      return known;
    }
    await tx.artifact.update({ where: { id }, data: { sizeBytes, complete: true, uploadId: "" } });
    return { id, sizeBytes, created: true };
  });
}

async function findSame(
  tx: Pick<Db, "artifact">,
  upload: ArtifactUpload,
): Promise<StoredArtifact | undefined> {
  const { attemptId, name } = upload;
  const known = await tx.artifact.findUnique({
    where: { attemptId_name_uploadId: { attemptId, name, uploadId: "" } },
  });
  if (known === null) return undefined;
  if (known.sha256 === upload.sha256) {
    return { id: known.id, sizeBytes: Number(known.sizeBytes), created: false };
  }
  throw new ApiError(
    `the run has another file named ${name} already: files are never replaced, choose another name`,
    { code: "ARTIFACT_EXISTS", name, sha256: known.sha256 },
  );
}

/** Reads a stored file piece by piece, as fast as the reader takes it. */
export function readArtifact(db: Db, artifactId: string): ReadableStream<Uint8Array> {
  let no = 0;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const piece = await db.artifactChunk.findUnique({
          where: { artifactId_no: { artifactId, no: no++ } },
        });
        if (piece === null) controller.close();
        else controller.enqueue(piece.bytes);
      },
    },
    { highWaterMark: 0 },
  );
}

/** Deletes what uploads left whose server died in the middle. */
export async function removeStaleUploads(db: Db): Promise<number> {
  return db.$executeRaw`DELETE FROM artifact WHERE NOT complete
    AND "createdAt" < clock_timestamp() - interval '6 hours'`;
}
