"use client";

import type { RefObject } from "react";
import { leaveByMouse, readByPointer } from "@/ui/charts/read-by-pointer.ts";

/**
 * The canvas of a picture that pointer and keys read out. `atPoint` takes CSS pixels inside the
 * canvas, `atKey` a key's name; a key that means nothing here gives null and stays the page's.
 */
export function ReadableCanvas<T>(props: {
  canvas: RefObject<HTMLCanvasElement | null>;
  /** What the picture shows and how keys read it, for those who do not see it. */
  label: string;
  /** CSS pixels; it is as wide as its frame. */
  height: number;
  atPoint: (x: number, y: number) => T | null;
  atKey: (key: string) => T | null;
  choose: (chosen: T | null) => void;
}) {
  const { atKey, atPoint, canvas, choose, height, label } = props;
  return (
    // biome-ignore lint/a11y/useSemanticElements: no element is a picture that takes keys
    <div
      role="group"
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys read the picture
      tabIndex={0}
      onKeyDown={(event) => {
        const next = atKey(event.key);
        if (next === null) return;
        event.preventDefault();
        choose(next);
      }}
      {...readByPointer((x, y) => choose(atPoint(x, y)))}
      onPointerLeave={leaveByMouse(() => choose(null))}
    >
      <canvas ref={canvas} aria-hidden style={{ width: "100%", height }} className="block" />
    </div>
  );
}
