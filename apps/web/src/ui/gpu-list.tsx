import type { GpuFacts } from "@fmlab/experiment";
import { gpuFacts, gpuInShort } from "./format/gpu.ts";

/** A machine's GPUs; each opens to all that is known of it. */
export function GpuList({ gpus }: { gpus: readonly GpuFacts[] }) {
  if (gpus.length === 0) return <>none</>;
  const cards = gpus.map((gpu, index) => ({ gpu, id: `gpu${index}` }));
  return (
    <ul className="flex flex-col gap-1">
      {cards.map(({ gpu, id }) => (
        <li key={id}>
          <details>
            <summary className="cursor-pointer">{gpuInShort(gpu)}</summary>
            <dl className="mt-1 mb-1.5 ml-4 grid grid-cols-[auto_minmax(0,1fr)] gap-x-3 text-xs">
              {gpuFacts(gpu).map(([name, value]) => (
                <div key={name} className="contents">
                  <dt className="text-muted">{name}</dt>
                  <dd className="min-w-0 break-words">{value}</dd>
                </div>
              ))}
            </dl>
          </details>
        </li>
      ))}
    </ul>
  );
}
